// How a ray through the volume becomes a pixel. niivue gives the volume as a texture of colours
// and opacities, the camera and the box to draw; this is the rest.

const RAY_VERTEX = `#version 300 es
layout(location=0) in vec3 pos;
layout(location=1) in vec3 texCoords;
uniform mat4 mvpMtx;
out vec3 entry;
void main() {
  gl_Position = mvpMtx * vec4(pos, 1.0);
  entry = texCoords;
}`;

// Modes: 0 light through colours and opacities, front to back; 1 the most opaque voxel of the
// ray, dimmed by depth (fade > 0) or not; 2 the three slices at the cursor.
const RAY_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler3D volume;
uniform mat4 mvpMtx;
uniform vec3 rayDir;
uniform vec3 texVox;
uniform vec3 volScale;
uniform vec3 boxLow;
uniform vec3 boxHigh;
uniform vec3 cursor;
uniform vec3 millimetresLow;
uniform vec3 millimetresSize;
uniform float density;
uniform float fade;
uniform int mode;
in vec3 entry;
out vec4 colour;

float depthOf(vec3 at) {
  vec4 clip = mvpMtx * vec4(millimetresLow + at * millimetresSize, 1.0);
  return clip.z / clip.w * 0.5 + 0.5;
}

// The same noise for a pixel in every frame: it hides the steps of the rays.
float noise(vec2 at) {
  return fract(52.9829189 * fract(dot(at, vec2(0.06711056, 0.00583715))));
}

void main() {
  colour = vec4(0.0);
  gl_FragDepth = 1.0;
  vec3 along = normalize(rayDir / volScale);
  vec3 low = (boxLow - entry) / along;
  vec3 high = (boxHigh - entry) / along;
  vec3 near = min(low, high);
  vec3 far = max(low, high);
  float start = max(max(near.x, near.y), max(near.z, 0.0));
  float stop = min(far.x, min(far.y, far.z));
  if (start >= stop) return;

  if (mode == 2) {
    vec3 planes = (cursor - entry) / along;
    float best = 1e9;
    for (int i = 0; i < 3; i++) {
      float t = planes[i];
      if (t >= start && t <= stop && t < best) {
        vec3 at = entry + along * t;
        // The middle of the voxel: slices are shown as they are, not interpolated.
        vec4 voxel = texture(volume, (floor(at * texVox) + 0.5) / texVox);
        if (voxel.a > 0.0 || dot(voxel.rgb, vec3(1.0)) > 0.0) {
          best = t;
          colour = vec4(voxel.rgb, 1.0);
          gl_FragDepth = depthOf(at);
        }
      }
    }
    return;
  }

  float stride = 1.0 / length(along * texVox);
  float t = start + stride * noise(gl_FragCoord.xy);
  vec4 sum = vec4(0.0);
  float strongest = 0.0;
  float found = -1.0;
  float length_ = stop - start;
  for (int i = 0; i < 4096; i++) {
    if (t > stop) break;
    vec4 voxel = texture(volume, entry + along * t);
    if (mode == 1) {
      float strength = voxel.a * (1.0 - fade * (t - start) / max(length_, 0.5));
      if (strength > strongest) {
        strongest = strength;
        found = t;
        float alpha = 1.0 - pow(1.0 - min(voxel.a, 0.999), density * 65.0);
        sum = vec4(voxel.rgb * (strength / voxel.a), 1.0) * alpha;
      }
    } else if (voxel.a > 0.004) {
      float alpha = 1.0 - pow(1.0 - min(voxel.a, 0.999), density);
      sum.rgb += (1.0 - sum.a) * alpha * voxel.rgb;
      sum.a += (1.0 - sum.a) * alpha;
      if (found < 0.0 && sum.a > 0.3) found = t;
      if (sum.a > 0.985) break;
    }
    t += stride;
  }
  if (sum.a <= 0.0) return;
  if (found >= 0.0) gl_FragDepth = depthOf(entry + along * found);
  colour = vec4(sum.rgb / sum.a, sum.a);
}`;
