//! Which era a server belongs to, by what it answers to `server/discover`.
//!
//! | it answers | it is |
//! |---|---|
//! | a `DiscoverResult` with a revision that is spoken here | modern |
//! | an error of the modern era: its code, and the data that belongs to it | modern |
//! | that none of our revisions is spoken, and names one that is | asked again, with that, a few times |
//! | any other result or error, nothing in time, something that cannot be read | legacy: `initialize` |
//! | it ends | legacy: started again, then `initialize` |
//!
//! No single code decides anything: servers of the legacy era answer a method they do not know with whatever they like.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Era, Revision};
use crate::decode::decode;
use crate::jsonrpc::Rejection;
use crate::model::DiscoverResult;

/// The revision asked for is not spoken there.
const UNSUPPORTED_VERSION: i64 = -32022;

/// The client lacks a capability.
const MISSING_CAPABILITY: i64 = -32021;

/// What an answer to `server/discover` says.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It speaks this, and that is what it says of itself.
    Modern(Revision, Box<DiscoverResult>),
    /// It is of the modern era, and wants to be asked in this revision.
    Again(Revision),
    /// It is of the modern era, and refused for another reason.
    Refused,
    /// It has to be asked with `initialize`.
    Legacy,
    /// It is of the modern era, and none of its revisions is spoken here.
    NothingInCommon(Vec<String>),
}

/// What a result says.
pub(crate) fn of_result(result: &RawValue) -> Verdict {
    let Ok(result) = decode::<DiscoverResult>(result.get()) else { return Verdict::Legacy };
    match newest(&result.supported_versions) {
        Some(revision) if revision.era() == Era::Modern => Verdict::Modern(revision, Box::new(result)),
        Some(_) => Verdict::Legacy,
        None => Verdict::NothingInCommon(result.supported_versions),
    }
}

/// What an error says.
pub(crate) fn of_error(error: &Rejection) -> Verdict {
    match (error.code(), error.data()) {
        (Some(UNSUPPORTED_VERSION), Some(data)) => {
            let Some(Value::Array(supported)) = data.get("supported") else { return Verdict::Legacy };
            let supported: Vec<String> =
                supported.iter().filter_map(Value::as_str).take(100).map(str::to_owned).collect();
            match newest(&supported) {
                Some(revision) if revision.era() == Era::Modern => Verdict::Again(revision),
                Some(_) => Verdict::Legacy,
                None => Verdict::NothingInCommon(supported),
            }
        }
        (Some(MISSING_CAPABILITY), Some(data)) if data.get("requiredCapabilities").is_some_and(Value::is_object) => {
            Verdict::Refused
        }
        _ => Verdict::Legacy,
    }
}

/// The newest revision of these that is spoken here.
fn newest(names: &[String]) -> Option<Revision> {
    names.iter().filter_map(|name| Revision::from_name(name)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(json: &str) -> Verdict {
        of_result(serde_json::from_str(json).unwrap())
    }

    fn error(json: &str) -> Verdict {
        of_error(&Rejection::from_raw(serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn a_discover_result_is_modern_and_nothing_else_that_succeeds() {
        let good = r#"{"supportedVersions":["2025-11-25","2026-07-28","2030-01-01"],"capabilities":{}}"#;
        assert!(matches!(result(good), Verdict::Modern(Revision::V2026_07_28, _)));
        for legacy in ["{}", "[]", "null", r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#] {
            assert!(matches!(result(legacy), Verdict::Legacy), "{legacy}");
        }
        let older = r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#;
        assert!(matches!(result(older), Verdict::Legacy));
        let newer = r#"{"supportedVersions":["2030-01-01"],"capabilities":{}}"#;
        assert!(matches!(result(newer), Verdict::NothingInCommon(names) if names == ["2030-01-01"]));
    }

    #[test]
    fn an_error_is_modern_by_its_data_not_by_its_code() {
        let refused = r#"{"code":-32022,"message":"","data":{"supported":["2026-07-28"],"requested":"x"}}"#;
        assert!(matches!(error(refused), Verdict::Again(Revision::V2026_07_28)));
        let older = r#"{"code":-32022,"message":"","data":{"supported":["2025-06-18"]}}"#;
        assert!(matches!(error(older), Verdict::Legacy));
        let newer = r#"{"code":-32022,"message":"","data":{"supported":["2030-01-01",7]}}"#;
        assert!(matches!(error(newer), Verdict::NothingInCommon(_)));
        let lacking = r#"{"code":-32021,"message":"","data":{"requiredCapabilities":{"sampling":{}}}}"#;
        assert!(matches!(error(lacking), Verdict::Refused));
        for legacy in [
            r#"{"code":-32601,"message":"Method not found"}"#,
            r#"{"code":-32602,"message":"Invalid request parameters","data":""}"#,
            r#"{"code":-32022,"message":"no data"}"#,
            r#"{"code":-32022,"message":"","data":{"supported":"all"}}"#,
            r#"{"code":-32021,"message":"","data":null}"#,
            r#"{"code":-32000,"message":"Server not initialized"}"#,
            r#""no""#,
        ] {
            assert!(matches!(error(legacy), Verdict::Legacy), "{legacy}");
        }
    }
}
