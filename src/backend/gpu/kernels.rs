//! The kernels' WGSL, and what stands in it besides WGSL: a line `#include weights` is replaced by the reader of one weight
//! layout, lines between `#if NAME` and `#endif` (or `#else`) are kept where the kernel was asked for with NAME, and what
//! [`Kernel::constants`] gives is declared ahead of everything.

/// One shader of `shaders/`, with the options that choose its marked lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    Embed,
    RmsNorm,
    Matmul,
    /// One token's product.
    Matvec {
        norm: bool,
        add: bool,
    },
    /// One token's up projection: relu(y)^2 as lists.
    MatvecReluSquared,
    AppendAndAbsorb,
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
    BF16,
    Q8_0,
    Q4_0,
    NeuronsQ8_0,
    NeuronsQ4_0,
}

macro_rules! shader {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/", $name, ".wgsl"))
    };
}

impl Variant {
    fn reader(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::F32 => shader!("weights_f32"),
            Self::F16 => shader!("weights_f16"),
            Self::BF16 => shader!("weights_bf16"),
            Self::Q8_0 => shader!("weights_q8_0"),
            Self::Q4_0 => shader!("weights_q4_0"),
            Self::NeuronsQ8_0 => shader!("neurons_q8_0"),
            Self::NeuronsQ4_0 => shader!("neurons_q4_0"),
        }
    }
}

impl Kernel {
    fn template(self) -> &'static str {
        match self {
            Self::Embed => shader!("embed"),
            Self::RmsNorm => shader!("rms_norm"),
            Self::Matmul => shader!("matmul"),
            Self::Matvec { .. } | Self::MatvecReluSquared => shader!("matvec"),
            Self::AppendAndAbsorb => shader!("append_and_absorb"),
            Self::LatentAttention => shader!("latent_attention"),
            Self::ExpandValue => shader!("expand_value"),
            Self::Compact => shader!("compact"),
            Self::SparseMatmul => shader!("sparse_matmul"),
        }
    }

    fn has(self, option: &str) -> bool {
        match (self, option) {
            (Self::Matvec { norm, .. }, "NORM") => norm,
            (Self::Matvec { add, .. }, "ADD") => add,
            (Self::MatvecReluSquared, "NORM" | "RELU_SQUARED") => true,
            _ => false,
        }
    }

    /// What the kernel's text takes for granted, as `const NAME = valueu;`: workgroup sizes and tiles.
    fn constants(self) -> Vec<(&'static str, u32)> {
        Vec::new()
    }

    /// The shader with its constants and the variant's reader in it, and of its marked lines those that are asked for.
    pub fn source(self, variant: Variant) -> String {
        let mut source: String =
            self.constants().iter().map(|(name, value)| format!("const {name} = {value}u;\n")).collect();
        // One entry for each `#if` that is open: whether its lines are kept.
        let mut kept: Vec<bool> = Vec::new();
        for line in self.template().lines() {
            if let Some(option) = line.strip_prefix("#if ") {
                kept.push(self.has(option));
            } else if line == "#else" {
                if let Some(kept) = kept.last_mut() {
                    *kept = !*kept;
                }
            } else if line == "#endif" {
                kept.pop();
            } else if kept.iter().all(|kept| *kept) {
                source += if line == "#include weights" { variant.reader() } else { line };
                source.push('\n');
            }
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_lines_are_kept_where_they_are_asked_for() {
        let plain = Kernel::Matvec { norm: false, add: false }.source(Variant::Q4_0);
        let fused = Kernel::Matvec { norm: true, add: true }.source(Variant::Q4_0);
        let relu = Kernel::MatvecReluSquared.source(Variant::Q4_0);
        for source in [&plain, &fused, &relu] {
            assert!(!source.contains('#') && source.contains("fn dot32"));
        }
        assert!(!plain.contains("squares") && fused.contains("squares") && relu.contains("squares"));
        assert!(fused.contains("+= sums[i]") && !plain.contains("+= sums[i]") && !relu.contains("] = sums[i]"));
        assert!(relu.contains("counts[group.x]") && !fused.contains("counts[group.x]"));
    }
}
