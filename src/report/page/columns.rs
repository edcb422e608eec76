//! Columns of rows as bytes, arranged so that they compress well.

use serde_json::{Value, json};

/// Arrangement of the bytes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// One value after the other.
    Plain,
    /// Each value minus the one before, wrapping; the first is unchanged.
    Delta,
    /// The lowest bytes of all values, then all second bytes, and so on.
    Planes,
    /// Both: differences, in planes.
    DeltaPlanes,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Delta => "delta",
            Self::Planes => "planes",
            Self::DeltaPlanes => "delta-planes",
        }
    }

    fn has_differences(self) -> bool {
        matches!(self, Self::Delta | Self::DeltaPlanes)
    }

    fn has_planes(self) -> bool {
        matches!(self, Self::Planes | Self::DeltaPlanes)
    }
}

/// A column: its description for the script, and its bytes.
pub(super) struct Column {
    name: &'static str,
    kind: &'static str,
    encoding: Encoding,
    /// Factor of the stored integers; `None` if values are stored as they are.
    scale: Option<f64>,
    bytes: Vec<u8>,
}

impl Column {
    fn new<const N: usize>(
        name: &'static str,
        kind: &'static str,
        encoding: Encoding,
        values: impl Iterator<Item = [u8; N]>,
    ) -> Self {
        let mut bytes: Vec<u8> = values.flatten().collect();
        if encoding.has_planes() {
            bytes = (0..N).flat_map(|plane| bytes.iter().skip(plane).step_by(N).copied()).collect();
        }
        Self { name, kind, encoding, scale: None, bytes }
    }

    /// Bytes.
    pub(super) fn u8(name: &'static str, values: impl Iterator<Item = u8>) -> Self {
        Self::new(name, "u8", Encoding::Plain, values.map(|value| [value]))
    }

    /// Integers of two bytes.
    pub(super) fn u16(name: &'static str, encoding: Encoding, values: impl Iterator<Item = u16>) -> Self {
        Self::integers::<2>(name, "u16", encoding, values.map(u64::from))
    }

    /// Integers of four bytes.
    pub(super) fn u32(name: &'static str, encoding: Encoding, values: impl Iterator<Item = u32>) -> Self {
        Self::integers::<4>(name, "u32", encoding, values.map(u64::from))
    }

    /// Integers, of which the lowest `N` bytes are stored.
    fn integers<const N: usize>(
        name: &'static str,
        kind: &'static str,
        encoding: Encoding,
        values: impl Iterator<Item = u64>,
    ) -> Self {
        let mut before = 0;
        let stored = values.map(|value| {
            let stored = if encoding.has_differences() { value.wrapping_sub(before) } else { value };
            before = value;
            let bytes = stored.to_le_bytes();
            std::array::from_fn::<u8, N, _>(|place| bytes[place])
        });
        Self::new(name, kind, encoding, stored)
    }

    /// Numbers in single precision; NaN for a missing one.
    pub(super) fn f32(name: &'static str, values: impl Iterator<Item = f32>) -> Self {
        Self::new(name, "f32", Encoding::Planes, values.map(f32::to_le_bytes))
    }

    /// Numbers of at least 0 as multiples of `scale`, or in single precision if one is too large for that; NaN for a
    /// missing one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range by the check before, or shown with few digits"
    )]
    pub(super) fn scaled(name: &'static str, scale: f64, values: impl Iterator<Item = f64> + Clone) -> Self {
        let none = u32::MAX;
        if values.clone().any(|value| value / scale >= f64::from(none)) {
            return Self::f32(name, values.map(|value| value as f32));
        }
        let stored = values.map(|value| if value.is_nan() { none } else { (value / scale).round() as u32 });
        Self { scale: Some(scale), ..Self::u32(name, Encoding::Planes, stored) }
    }

    /// Description for the script.
    pub(super) fn describe(&self) -> Value {
        let mut description = json!({ "name": self.name, "type": self.kind });
        if self.encoding != Encoding::Plain {
            description["encoding"] = self.encoding.name().into();
        }
        if let Some(scale) = self.scale {
            description["scale"] = scale.into();
        }
        description
    }

    /// Appends the bytes, up to a multiple of eight.
    pub(super) fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.bytes);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_and_planes_are_as_described() {
        let values = [1, 3, 0x0102];
        let bytes = |encoding| Column::u32("x", encoding, values.into_iter()).bytes;
        assert_eq!(bytes(Encoding::Plain), [1, 0, 0, 0, 3, 0, 0, 0, 2, 1, 0, 0]);
        assert_eq!(bytes(Encoding::Planes), [1, 3, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(Encoding::DeltaPlanes), [1, 2, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Column::u16("x", Encoding::Delta, [5, 4].into_iter()).bytes, [5, 0, 255, 255]);
    }

    #[test]
    fn amounts_beyond_the_scale_are_stored_in_single_precision() {
        let small = Column::scaled("fee", 1e-9, [0.5e-6, f64::NAN].into_iter());
        assert_eq!((small.kind, small.describe()["scale"].clone()), ("u32", json!(1e-9)));
        let low_bytes = [500_u32.to_le_bytes()[0], 255];
        assert_eq!(small.bytes[..2], low_bytes);
        assert_eq!(Column::scaled("fee", 1e-9, [0.5, 9.0].into_iter()).kind, "f32");
    }
}
