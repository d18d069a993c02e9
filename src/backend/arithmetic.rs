//! Arithmetic that gives the same on every processor, and that the compiler makes vectors of.

use std::array::from_fn;

/// The nearest integer to a number below 2^22, or zero for NaN; it is the same on every processor, and quick where none has an
/// instruction.
#[inline(always)]
pub(crate) fn nearest(value: f32) -> i32 {
    /// 1.5 times 2^23: in a sum with it, the last bit is worth one.
    const SHIFT: f32 = 12_582_912.0;
    let value = if value.is_nan() { 0.0 } else { value };
    (value + SHIFT).to_bits() as i32 - SHIFT.to_bits() as i32
}

/// exp(value - largest), to two units of the last place, where no value is larger; exp(-87), which is next to nothing, for what is
/// less. The compiler makes vectors of it.
#[inline(always)]
pub(crate) fn exponentials(values: &mut [f32; 8], largest: f32) {
    /// ln 2 in two parts, the first with so few bits that its products with small integers are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// Of exp(r) - 1 - r over r^2, for |r| <= ln 2 / 2 (Cephes, expf).
    const COEFFICIENTS: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5];
    *values = values.map(|value| {
        let x = value - largest;
        let x = if x < -87.0 { -87.0 } else { x };
        let power = nearest(x * std::f32::consts::LOG2_E);
        let r = x - power as f32 * LN_2[0] - power as f32 * LN_2[1];
        let polynomial = COEFFICIENTS[1..].iter().fold(COEFFICIENTS[0], |sum, coefficient| sum * r + coefficient);
        (polynomial * r * r + r + 1.0) * f32::from_bits(((power + 127) as u32) << 23)
    });
}

/// The largest of some values and `least`. What is no number is passed over.
#[inline(always)]
pub(crate) fn largest(values: &[f32], least: f32) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut most = [least; 8];
    let (eights, rest) = values.as_chunks::<8>();
    for eight in eights {
        most = from_fn(|i| larger(most[i], eight[i]));
    }
    most.iter().chain(rest).copied().fold(least, larger)
}

/// The sum of exp(value - largest) of all values, of which none is larger than `largest`.
pub(crate) fn sum_of_exponentials(values: &[f32], largest: f32) -> f64 {
    let mut sums = [0.0f64; 8];
    let mut add = |mut eight: [f32; 8]| {
        exponentials(&mut eight, largest);
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += f64::from(value));
    };
    let (eights, rest) = values.as_chunks::<8>();
    eights.iter().for_each(|eight| add(*eight));
    let mut last = [f32::NEG_INFINITY; 8];
    last[..rest.len()].copy_from_slice(rest);
    add(last);
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_within_two_units_of_the_last_place() {
        let steps = 100_000;
        for step in 0..steps {
            let largest = 3.0f32;
            let value = largest - 87.0 * (step as f32 / steps as f32);
            let mut values = [value; 8];
            exponentials(&mut values, largest);
            let expected = f64::from(value - largest).exp();
            for found in values {
                let error = (f64::from(found) - expected).abs();
                assert!(error <= 2.0 * f64::from(f32::EPSILON) * expected, "exp({}) is {found}", value - largest);
            }
        }
        let mut values = [f32::NEG_INFINITY, -1e30, -87.5, 0.0, 0.0, 0.0, 0.0, f32::NAN];
        exponentials(&mut values, 0.0);
        assert!(values[..3].iter().all(|value| *value < 2e-38) && values[3..7] == [1.0; 4] && values[7].is_nan());
    }

    #[test]
    fn the_largest_is_found_wherever_it_is() {
        for length in [0, 1, 7, 8, 20, 33] {
            for place in 0..length {
                let mut values = vec![f32::NAN; length];
                values[length - 1 - place] = -1.0;
                values[place] = 2.0;
                assert_eq!(largest(&values, f32::NEG_INFINITY), 2.0);
                assert_eq!(largest(&values, 3.0), 3.0);
            }
        }
    }

    #[test]
    fn sums_of_exponentials_are_those_of_64_bits() {
        for length in [1, 7, 8, 9, 2048, 151_936] {
            let values: Vec<f32> = (0..length).map(|i| ((i * 7919 % 1000) as f32 / 1000.0 - 1.0) * 25.0).collect();
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let expected: f64 = values.iter().map(|value| f64::from(value - largest).exp()).sum();
            let found = sum_of_exponentials(&values, largest);
            assert!((found / expected - 1.0).abs() < 2.0 * f64::from(f32::EPSILON), "{length}: {found}, {expected}");
        }
    }
}
