"""What is told of tensors that cannot be read."""

from napari_gpt2_tomo.checkpoint.inventory import why_missing


def test_tensors_with_the_same_fault_share_a_line() -> None:
    missing = {"a": "its file x is missing", "b": "quantised with HQQ", "c": "quantised with HQQ"}
    assert why_missing(missing) == [
        "a: its file x is missing",
        "2 tensors (b, …): quantised with HQQ",
    ]
    assert why_missing({}) == []


def test_faults_beyond_the_first_few_are_counted() -> None:
    missing = {f"t{i}": f"fault {i // 2}" for i in range(20)}
    lines = why_missing(missing, most=3)
    assert lines[0] == "2 tensors (t0, …): fault 0"
    assert lines[3:] == ["… and 14 more tensors"]
