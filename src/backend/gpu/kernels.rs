//! The kernels' WGSL. A line `#include weights` stands for the reader of one weight layout, which is the only way in
//! which variants of a kernel differ.

/// One shader of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    Embed,
    RmsNorm,
    Matmul,
    RopeQuery,
    AppendToCache,
    AbsorbQuery,
    LatentAttention,
    ExpandValue,
    Compact,
    SparseMatmul,
}

/// The weight layout that a kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Variant {
    /// No weights.
    Plain,
    F32,
    F16,
    Q8_0,
    Q4_0,
    NeuronsQ8_0,
    NeuronsQ4_0,
}

impl Variant {
    fn reader(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::F32 => include_str!("../../../shaders/weights_f32.wgsl"),
            Self::F16 => include_str!("../../../shaders/weights_f16.wgsl"),
            Self::Q8_0 => include_str!("../../../shaders/weights_q8_0.wgsl"),
            Self::Q4_0 => include_str!("../../../shaders/weights_q4_0.wgsl"),
            Self::NeuronsQ8_0 => include_str!("../../../shaders/neurons_q8_0.wgsl"),
            Self::NeuronsQ4_0 => include_str!("../../../shaders/neurons_q4_0.wgsl"),
        }
    }
}

impl Kernel {
    fn template(self) -> &'static str {
        match self {
            Self::Embed => include_str!("../../../shaders/embed.wgsl"),
            Self::RmsNorm => include_str!("../../../shaders/rms_norm.wgsl"),
            Self::Matmul => include_str!("../../../shaders/matmul.wgsl"),
            Self::RopeQuery => include_str!("../../../shaders/rope_query.wgsl"),
            Self::AppendToCache => include_str!("../../../shaders/append_to_cache.wgsl"),
            Self::AbsorbQuery => include_str!("../../../shaders/absorb_query.wgsl"),
            Self::LatentAttention => include_str!("../../../shaders/latent_attention.wgsl"),
            Self::ExpandValue => include_str!("../../../shaders/expand_value.wgsl"),
            Self::Compact => include_str!("../../../shaders/compact.wgsl"),
            Self::SparseMatmul => include_str!("../../../shaders/sparse_matmul.wgsl"),
        }
    }

    /// The shader with the variant's reader in it.
    pub fn source(self, variant: Variant) -> String {
        self.template().replace("#include weights\n", variant.reader())
    }
}
