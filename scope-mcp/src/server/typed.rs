//! Parameters and results, between the JSON of a message and its types.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use crate::decode::decode;
use crate::jsonrpc::Rejection;
use crate::peer::Outcome;

/// The parameters of a request. What is missing altogether counts as `{}`.
pub(super) fn read<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Rejection> {
    decode(params.map_or("{}", RawValue::get))
        .map_err(|why| Rejection::invalid_params(format!("the parameters do not fit: {why}")))
}

/// A result to be sent.
pub(super) fn written(result: &impl Serialize) -> Outcome {
    to_raw_value(result).map_err(|error| Rejection::internal(format!("the result cannot be written as JSON: {error}")))
}
