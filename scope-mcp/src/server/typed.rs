//! Parameters and results, between the JSON of a message and its types.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::decode::decode;
use crate::jsonrpc::{Json, Rejection};
use crate::peer::Outcome;

/// The parameters of a request. What is missing altogether counts as `{}`.
pub(super) fn read<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, Rejection> {
    read_json(params.map_or("{}", RawValue::get))
}

/// The same of a part of them.
pub(super) fn read_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    decode(json).map_err(|why| Rejection::invalid_params(format!("the parameters do not fit: {why}")))
}

/// A result to be sent.
pub(super) fn written(result: &impl Serialize) -> Outcome {
    serde_json::to_string(result).map(Json::trusted).map_err(not_json)
}

/// A part of one.
pub(super) fn part(of: &impl Serialize) -> Result<Box<RawValue>, Rejection> {
    to_raw_value(of).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Rejection {
    Rejection::internal(format!("the result cannot be written as JSON: {error}"))
}
