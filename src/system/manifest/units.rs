//! Sizes and times with their units.

/// Bytes.
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Microseconds.
const TIMES: [(&str, u64); 4] = [("us", 1), ("ms", 1000), ("s", 1_000_000), ("min", 60_000_000)];

/// Bytes, from something like `4MiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    quantity(text, &SIZES)
}

/// Microseconds, from something like `250us`.
pub(super) fn microseconds(text: &str) -> Result<u32, String> {
    let time = quantity(text, &TIMES)?;
    u32::try_from(time).map_err(|_| "this is more than 71 minutes".into())
}

/// Milliseconds, from something like `10s`.
pub(super) fn milliseconds(text: &str) -> Result<u32, String> {
    let time = quantity(text, &TIMES)?;
    if time % 1000 != 0 {
        return Err("this is not in whole milliseconds".into());
    }
    u32::try_from(time / 1000).map_err(|_| "this is more than 49 days".into())
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("this does not begin with a whole number".into());
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let names: Vec<_> = units.iter().map(|(name, _)| format!("`{name}`")).collect();
        let what = if unit.is_empty() { "there is no unit".into() } else { format!("`{unit}` is no unit here") };
        return Err(format!("{what}; the units are {}", names.join(", ")));
    };
    let value = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    value.ok_or_else(|| "this is too much".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_multiply() {
        assert_eq!(size("4MiB"), Ok(4 << 20));
        assert_eq!(size("0B"), Ok(0));
        assert_eq!(microseconds("2ms"), Ok(2000));
        assert_eq!(milliseconds("3min"), Ok(180_000));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "4", "4MB", "MiB", "4 MiB", "-1KiB", "1.5MiB", "99999999999GiB", "999999999999999999999999B"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(milliseconds("1500us").is_err());
        assert!(microseconds("72min").is_err());
        assert!(milliseconds("99999999min").is_err());
    }
}
