//! How ggml and safetensors encode weights, and what each block decodes to.

/// An element type. Quantised types come in blocks along the input axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

impl ElementType {
    /// Elements in a block.
    pub fn block_elements(self) -> usize {
        use ElementType::*;
        match self {
            F32 | F16 | BF16 => 1,
            Q8_0 | Q4_0 | Q4_1 | Q5_0 | Q5_1 => 32,
            Q2K | Q3K | Q4K | Q5K | Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        use ElementType::*;
        match self {
            F32 => 4,
            F16 | BF16 => 2,
            Q8_0 => 34,
            Q4_0 => 18,
            Q4_1 => 20,
            Q5_0 => 22,
            Q5_1 => 24,
            Q2K => 84,
            Q3K => 110,
            Q4K => 144,
            Q5K => 176,
            Q6K => 210,
        }
    }

    /// Bytes of `elements` elements, or `None` where that is no whole number of blocks or overflows.
    pub fn byte_length(self, elements: u64) -> Option<u64> {
        let block = self.block_elements() as u64;
        elements.is_multiple_of(block).then_some(elements / block)?.checked_mul(self.block_bytes() as u64)
    }
}
