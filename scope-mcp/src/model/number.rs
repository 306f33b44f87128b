//! JSON has one kind of number: peers write `3.0` where a whole one is meant, and `50` where there may be a fraction.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Number;

use crate::jsonrpc::whole_number;

/// Writes a number; a whole one without a fraction, as most peers do.
pub(super) fn write_float<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// Up to here whole numbers are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !number.is_finite() {
        return Err(S::Error::custom(format_args!("{number} cannot be written in JSON")));
    }
    if number.fract() == 0.0 && number.abs() <= EXACT {
        // Loses nothing in this range.
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// As [`write_float`], where there may be none.
pub(super) fn write_maybe_float<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => write_float(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// Whether there is nothing to write: no number, or one that JSON does not have.
#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn no_float(number: &Option<f64>) -> bool {
    !number.is_some_and(f64::is_finite)
}

/// Reads a whole number that is not negative, however it is written.
pub(super) fn read_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    whole_number(&number.to_string())
        .ok_or_else(|| D::Error::custom(format_args!("{number} is not a whole number from 0 to 2⁶⁴ − 1")))
}

/// As [`read_whole`], where there may be none.
pub(super) fn read_maybe_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Whole(#[serde(deserialize_with = "read_whole")] u64);

    Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Numbers {
        #[serde(serialize_with = "write_float")]
        float: f64,
        #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
        maybe_float: Option<f64>,
        #[serde(default, deserialize_with = "read_maybe_whole", skip_serializing_if = "Option::is_none")]
        maybe_whole: Option<u64>,
    }

    #[test]
    fn numbers_are_read_however_they_are_written_and_written_as_short_as_they_are() {
        for (from, to) in [
            (r#"{"float":50}"#, r#"{"float":50}"#),
            (r#"{"float":5e1,"maybe_float":-0.25}"#, r#"{"float":50,"maybe_float":-0.25}"#),
            (r#"{"float":1e300,"maybe_whole":3.0}"#, r#"{"float":1e+300,"maybe_whole":3}"#),
            (r#"{"float":0,"maybe_whole":18446744073709551615}"#, r#"{"float":0,"maybe_whole":18446744073709551615}"#),
        ] {
            let numbers: Numbers = serde_json::from_str(from).unwrap();
            assert_eq!(serde_json::to_string(&numbers).unwrap(), to);
        }
    }

    #[test]
    fn what_is_no_whole_number_is_named() {
        for bad in ["1.5", "-1", "1e30", "\"1\"", "true", "[1]"] {
            let error = serde_json::from_str::<Numbers>(&format!(r#"{{"float":0,"maybe_whole":{bad}}}"#)).unwrap_err();
            assert!(error.to_string().contains("number"), "{bad}: {error}");
        }
    }

    #[test]
    fn what_json_has_no_number_for_is_an_error_or_left_out_and_never_null() {
        for float in [f64::NAN, f64::INFINITY] {
            let error = serde_json::to_string(&Numbers { float, maybe_float: None, maybe_whole: None }).unwrap_err();
            assert!(error.to_string().contains("cannot be written"), "{error}");
            let left_out = Numbers { float: 1.5, maybe_float: Some(float), maybe_whole: None };
            assert_eq!(serde_json::to_string(&left_out).unwrap(), r#"{"float":1.5}"#);
        }
    }
}
