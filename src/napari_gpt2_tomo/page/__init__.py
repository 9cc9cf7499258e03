"""What self-contained HTML pages share: escaping, policy, inlining."""
