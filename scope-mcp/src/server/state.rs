//! `requestState`: what a server has to remember between two rounds of one call, kept by the client.
//!
//! The client gets it with a question and brings it back with the answer. It may be anybody's, so it is signed, says which
//! call it belongs to and until when it holds; it is not secret. Nothing is kept here, so as many calls as one likes may
//! wait for answers, and one that is never taken up again costs nothing.
//!
//! As bytes: the layout's version (1), the second from which it does not hold any more (8, since 1970), a digest of the
//! call (32), the contents as JSON, and HMAC-SHA-256 of all that (32); in URL-safe base64.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::Object;

const VERSION: u8 = 1;
const HEAD: usize = 1 + 8 + 32;
const TAG: usize = 32;

/// What stands in the parameters of one round and not of the other.
const OF_A_ROUND: [&str; 3] = ["_meta", "inputResponses", "requestState"];
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// Signs and reads states.
#[derive(Clone)]
pub(crate) struct StateKey {
    key: [u8; 32],
    /// For how long a state holds.
    lifetime: Duration,
    /// The longest state, in bytes of its text.
    max: usize,
}

/// Which call a state belongs to: its method, its parameters but for what every round has anew, and what the client calls
/// itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding([u8; 32]);

/// Why a state cannot be taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateError {
    /// Not made here, or changed since.
    Forged,
    /// Of another call.
    OtherCall,
    /// It does not hold any more.
    Expired,
    /// Longer than any that is made here.
    TooLong,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StateError::Forged => "requestState is none of this server's, or has been changed: send it back as it came",
            StateError::OtherCall => {
                "requestState belongs to another call: repeat the call it came with, with the same parameters"
            }
            StateError::Expired => "requestState does not hold any more: begin the call again without it",
            StateError::TooLong => "requestState is longer than any that this server makes",
        })
    }
}

impl std::error::Error for StateError {}

/// What was to be remembered is more than a state may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMuch {
    pub(crate) bytes: usize,
    pub(crate) max: usize,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooMuch { bytes, max } = self;
        write!(
            f,
            "what is to be remembered of this call makes a requestState of {bytes} bytes, over the limit of {max}"
        )
    }
}

impl std::error::Error for TooMuch {}

impl Binding {
    /// The order of keys and white space do not matter.
    pub(crate) fn of(method: &str, params: &Object) -> Binding {
        let mut hash = Sha256::new();
        feed_text(&mut hash, method);
        let mut rest: Vec<_> = params.iter().filter(|(key, _)| !OF_A_ROUND.contains(&key.as_str())).collect();
        rest.sort_unstable_by_key(|(key, _)| *key);
        feed_length(&mut hash, b'{', rest.len());
        for (key, value) in rest {
            feed_text(&mut hash, key);
            feed(&mut hash, value);
        }
        let client = params.get("_meta").and_then(|meta| meta.get(CLIENT_INFO));
        for field in ["name", "version"] {
            feed(&mut hash, client.and_then(|client| client.get(field)).unwrap_or(&Value::Null));
        }
        Binding(hash.finalize().into())
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding(..)")
    }
}

/// One value, so that no two different ones feed the same bytes. As deep as the parser goes, which has a limit.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"0"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Bool(false) => hash.update(b"f"),
        Value::Number(number) => {
            hash.update(b"n");
            feed_text(hash, &number.to_string());
        }
        Value::String(text) => {
            hash.update(b"s");
            feed_text(hash, text);
        }
        Value::Array(values) => {
            feed_length(hash, b'[', values.len());
            for value in values {
                feed(hash, value);
            }
        }
        Value::Object(object) => {
            let mut fields: Vec<_> = object.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            feed_length(hash, b'{', fields.len());
            for (key, value) in fields {
                feed_text(hash, key);
                feed(hash, value);
            }
        }
    }
}

fn feed_text(hash: &mut Sha256, text: &str) {
    feed_length(hash, b'"', text.len());
    hash.update(text.as_bytes());
}

fn feed_length(hash: &mut Sha256, kind: u8, length: usize) {
    hash.update([kind]);
    hash.update((length as u64).to_be_bytes());
}

impl StateKey {
    pub(crate) fn new(key: [u8; 32], lifetime: Duration, max: usize) -> StateKey {
        StateKey { key, lifetime, max }
    }

    /// A state that holds `contents` for the call, from `now` on.
    pub(crate) fn seal<T: Serialize>(&self, call: Binding, contents: &T, now: SystemTime) -> Result<String, TooMuch> {
        // The whole second that has begun when the time is up, so that it never holds too short.
        let until = seconds(now).saturating_add(self.lifetime.as_secs()).saturating_add(1);
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&until.to_be_bytes());
        bytes.extend_from_slice(&call.0);
        // What is put in here is JSON already, and into memory.
        serde_json::to_writer(&mut bytes, contents).map_err(|_| TooMuch { bytes: usize::MAX, max: self.max })?;
        let tag = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        if text.len() > self.max { Err(TooMuch { bytes: text.len(), max: self.max }) } else { Ok(text) }
    }

    /// What is in `text`, if it is a state of this server's, of this call, and still holds.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        call: Binding,
        text: &str,
        now: SystemTime,
    ) -> Result<T, StateError> {
        if text.len() > self.max {
            return Err(StateError::TooLong);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StateError::Forged)?;
        let signed = bytes.len().checked_sub(TAG).ok_or(StateError::Forged)?;
        let (signed, tag) = bytes.split_at(signed);
        // In a time that does not depend on where they differ.
        self.mac(signed).verify_slice(tag).map_err(|_| StateError::Forged)?;
        let (head, contents) = signed.split_at_checked(HEAD).ok_or(StateError::Forged)?;
        let (version, head) = head.split_at(1);
        let (until, digest) = head.split_at(8);
        if version != [VERSION] {
            return Err(StateError::Forged);
        }
        if digest != call.0 {
            return Err(StateError::OtherCall);
        }
        let until = until.try_into().map(u64::from_be_bytes).map_err(|_| StateError::Forged)?;
        if seconds(now) >= until {
            return Err(StateError::Expired);
        }
        serde_json::from_slice(contents).map_err(|_| StateError::Forged)
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        // A key as long as a block of the hash is used as it is; a shorter one is one that ends in zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.key);
        Hmac::new(&block.into()).chain_update(bytes)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateKey").field("lifetime", &self.lifetime).field("max", &self.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Random;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn key() -> StateKey {
        StateKey::new([7; 32], TEN_MINUTES, 1000)
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn call(params: Value) -> Binding {
        Binding::of("tools/call", params.as_object().unwrap())
    }

    fn open(call: Binding, text: &str, now: SystemTime) -> Result<Value, StateError> {
        key().open(call, text, now)
    }

    #[test]
    fn what_was_remembered_comes_back() {
        let contents = json!({ "name": { "action": "accept", "content": { "n": 1.5 } } });
        let call = call(json!({ "name": "greet", "arguments": { "a": 1 } }));
        let text = key().seal(call, &contents, now()).unwrap();
        assert_eq!(open(call, &text, now()), Ok(contents));
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let call = call(json!({ "name": "greet" }));
        let text = key().seal(call, &json!(["an answer"]), now()).unwrap();
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let flipped = String::from_utf8(bytes).unwrap();
                assert_eq!(open(call, &flipped, now()), Err(StateError::Forged), "bit {bit} of byte {at} of the text");
            }
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let flipped = URL_SAFE_NO_PAD.encode(bytes);
            assert_eq!(open(call, &flipped, now()), Err(StateError::Forged), "bit {at}");
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let call = call(json!({}));
        let text = key().seal(call, &Value::Null, now()).unwrap();
        assert!(open(call, &text, now()).is_ok());
        let mut random = Random::new(3);
        for length in 0..text.len() {
            assert_eq!(open(call, &text[..length], now()), Err(StateError::Forged));
            assert_eq!(open(call, &text[text.len() - length..], now()), Err(StateError::Forged));
            let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            assert_eq!(open(call, &URL_SAFE_NO_PAD.encode(bytes), now()), Err(StateError::Forged));
        }
        for text in [format!("{text}="), format!("{text}A"), format!(" {text}"), "é".to_owned()] {
            assert_eq!(open(call, &text, now()), Err(StateError::Forged));
        }
        assert_eq!(open(call, &"A".repeat(1001), now()), Err(StateError::TooLong));
    }

    #[test]
    fn another_key_makes_other_states() {
        let call = call(json!({}));
        let other = StateKey::new([8; 32], TEN_MINUTES, 1000).seal(call, &Value::Null, now()).unwrap();
        assert_eq!(open(call, &other, now()), Err(StateError::Forged));
    }

    #[test]
    fn a_state_belongs_to_one_call() {
        let params = json!({
            "name": "greet", "arguments": { "a": 1, "b": [true, null, "x"] },
            "_meta": { CLIENT_INFO: { "name": "c", "version": "1" } },
        });
        let text = key().seal(call(params.clone()), &Value::Null, now()).unwrap();
        let same = json!({
            "arguments": { "b": [true, null, "x"], "a": 1 }, "name": "greet",
            "inputResponses": { "q": {} }, "requestState": "it",
            "_meta": { "progressToken": 3, CLIENT_INFO: { "version": "1", "name": "c", "title": "C" } },
        });
        assert_eq!(open(call(same), &text, now()), Ok(Value::Null));
        for (pointer, value) in [
            ("/name", json!("other")),
            ("/arguments/a", json!(2)),
            ("/arguments/a", json!("1")),
            ("/arguments/b", json!([true, [null, "x"]])),
            ("/arguments/b", json!([true, null, "x", ""])),
            ("/arguments", json!({})),
            ("/_meta/io.modelcontextprotocol~1clientInfo/name", json!("d")),
            ("/_meta", json!({})),
        ] {
            let mut other = params.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert_eq!(open(call(other), &text, now()), Err(StateError::OtherCall), "{pointer}");
        }
        let prompt = Binding::of("prompts/get", params.as_object().unwrap());
        assert_eq!(open(prompt, &text, now()), Err(StateError::OtherCall));
    }

    #[test]
    fn a_state_holds_for_its_time_and_no_longer() {
        let call = call(json!({}));
        let text = key().seal(call, &Value::Null, now()).unwrap();
        assert!(open(call, &text, now() + TEN_MINUTES).is_ok());
        assert_eq!(open(call, &text, now() + TEN_MINUTES + Duration::from_secs(1)), Err(StateError::Expired));
        assert_eq!(open(call, &text, now() + TEN_MINUTES * 1000), Err(StateError::Expired));
    }

    #[test]
    fn what_is_too_much_is_not_remembered() {
        let error = key().seal(call(json!({})), &"x".repeat(1000), now()).unwrap_err();
        assert!(error.to_string().contains("over the limit of 1000"), "{error}");
    }

    #[test]
    fn the_key_does_not_reach_a_log() {
        assert!(!format!("{:?}", key()).contains('7'));
    }
}
