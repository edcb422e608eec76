//! Parts of a number as found, and the exact fraction that they form.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero, pow};

use super::MOST_DIGITS;
use super::digit::digit;

/// Digits in a text, with separators between them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digits {
    /// Start byte.
    pub(super) start: usize,
    /// Byte after the last digit.
    pub(super) end: usize,
    /// Byte of the decimal separator, or `end` without one.
    pub(super) point: usize,
}

impl Digits {
    /// True without decimals.
    pub(super) fn is_whole(&self) -> bool {
        self.point >= self.end
    }

    /// Computes the value: all digits as one integer, over a power of ten.
    pub(super) fn value(&self, text: &str) -> BigRational {
        let (number, decimals) = self.parts(text);
        if decimals == 0 {
            return BigRational::from_integer(number);
        }
        BigRational::new(number, pow(BigInt::from(10), decimals))
    }

    /// Returns all digits as one integer, and the number of decimals.
    fn parts(&self, text: &str) -> (BigInt, usize) {
        let part = &text[self.start..self.end];
        let point = self.point - self.start;
        let (mut small, mut count, mut decimals) = (0_u64, 0, 0);
        for (at, value) in part.char_indices().filter_map(|(at, c)| Some((at, digit(c)?))) {
            small = small.wrapping_mul(10).wrapping_add(u64::from(value));
            count += 1;
            decimals += usize::from(at > point);
        }
        if count <= 18 {
            return (BigInt::from(small), decimals);
        }
        let plain: String = part.chars().filter_map(|c| char::from_digit(digit(c)?, 10)).collect();
        (plain.parse().unwrap_or_default(), decimals)
    }
}

/// Parts of a number. Its value is the sum of `whole`, `repeating` and `over`, then raised and scaled by the powers.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    /// True if the number is negative.
    pub(super) negative: bool,
    /// Integer or decimal part.
    pub(super) whole: Option<Digits>,
    /// Digits that repeat after the decimals of `whole`.
    pub(super) repeating: Option<Digits>,
    /// Numerator and denominator.
    pub(super) over: Option<(Digits, Digits)>,
    /// Numerator and denominator of one character, or of words.
    pub(super) small: Option<(i64, i64)>,
    /// The exponent of the number.
    pub(super) power: Option<i64>,
    /// Exponent of the power of ten by which the number is multiplied.
    pub(super) tens: i64,
}

impl Parts {
    /// Computes the value. `None` if a denominator is 0 or the value has too many digits.
    pub(super) fn value(&self, text: &str) -> Option<BigRational> {
        let mut value = self.whole.map_or_else(BigRational::zero, |digits| digits.value(text));
        if let (Some(whole), Some(repeating)) = (self.whole, self.repeating) {
            let (period, _) = Digits { point: repeating.end, ..repeating }.parts(text);
            let length = text[repeating.start..repeating.end].chars().count();
            let nines = pow(BigInt::from(10), length) - BigInt::one();
            let (_, decimals) = whole.parts(text);
            value += BigRational::new(period, nines * pow(BigInt::from(10), decimals));
        }
        if let Some((top, bottom)) = self.over {
            value += divided(top.value(text), bottom.value(text))?;
        }
        if let Some((top, bottom)) = self.small {
            value += divided(BigRational::from_integer(top.into()), BigRational::from_integer(bottom.into()))?;
        }
        if let Some(power) = self.power {
            value = raised(&value, power)?;
        }
        if self.tens != 0 {
            value *= raised(&BigRational::from_integer(10.into()), self.tens)?;
        }
        Some(if self.negative { -value } else { value })
    }
}

fn divided(top: BigRational, bottom: BigRational) -> Option<BigRational> {
    (!bottom.is_zero()).then(|| top / bottom)
}

fn raised(base: &BigRational, power: i64) -> Option<BigRational> {
    let bits = base.numer().abs().bits().max(base.denom().bits());
    let times = usize::try_from(power.unsigned_abs()).ok()?;
    // A decimal digit is 3.3 bits.
    if usize::try_from(bits).ok()?.checked_mul(times)? > 4 * MOST_DIGITS || (power < 0 && base.is_zero()) {
        return None;
    }
    let raised = pow(base.clone(), times);
    Some(if power < 0 { raised.recip() } else { raised })
}
