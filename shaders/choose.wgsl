// Says which of two down projections runs: the sparse one where at most `most` neurons of all tokens are active, the dense
// one where more are. counts [lists] are those of compact.wgsl; chosen: the workgroups of the sparse product, then those of
// the dense one, as an indirect dispatch takes them; those of the other are zero.
// One workgroup of 64. Dispatch (1, 1, 1).
@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> chosen: array<u32>;
struct Params { lists: u32, most: u32, sparse_x: u32, sparse_z: u32, dense_x: u32, dense_z: u32 }
@group(0) @binding(9) var<uniform> params: Params;
var<workgroup> partial: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0u;
    for (var i = lane; i < params.lists; i += 64u) {
        sum += counts[i];
    }
    partial[lane] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = 1u; i < 64u; i++) {
            sum += partial[i];
        }
        let sparse = u32(sum <= params.most);
        chosen[0] = params.sparse_x * sparse;
        chosen[1] = sparse;
        chosen[2] = params.sparse_z * sparse;
        chosen[3] = params.dense_x * (1u - sparse);
        chosen[4] = 1u - sparse;
        chosen[5] = params.dense_z * (1u - sparse);
    }
}
