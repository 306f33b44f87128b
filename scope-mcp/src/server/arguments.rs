use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::HandlerError;
use super::members::Members;
use super::typed::read_json;

/// The parameters of a request, shared by those who read parts of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Option<Arc<Raw>>);

#[derive(Debug)]
struct Raw(Box<RawValue>);

impl Params {
    pub(crate) fn new(params: Option<Box<RawValue>>) -> Params {
        Params(params.map(|params| Arc::new(Raw(params))))
    }

    pub(crate) fn raw(&self) -> Option<&RawValue> {
        self.0.as_ref().map(|params| &*params.0)
    }

    fn text(&self) -> &str {
        self.raw().map_or("", RawValue::get)
    }
}

/// The arguments of a tool's call as they came: JSON text that nothing has been read of.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct UnreadArguments(Of);

#[derive(Clone)]
enum Of {
    /// A place in their text; `None` if there are none.
    Params(Params, Option<Range<usize>>),
    /// From there on.
    Members(Members, usize),
}

impl UnreadArguments {
    /// Those at a place that [`place`] has given.
    pub(super) fn new(params: Params, at: Option<Range<usize>>) -> UnreadArguments {
        UnreadArguments(Of::Params(params, at))
    }

    /// Those that `members` have from `at` on to their end.
    pub(super) fn of_members(members: Members, at: usize) -> UnreadArguments {
        UnreadArguments(Of::Members(members, at))
    }

    /// Their text, an object: `{}` where the call has none.
    pub fn get(&self) -> &str {
        let text = match &self.0 {
            Of::Params(params, at) => at.clone().and_then(|at| params.text().get(at)),
            Of::Members(members, at) => members.get().get(*at..),
        };
        match text {
            None | Some("null") => "{}",
            Some(arguments) => arguments,
        }
    }

    /// Reads them as a `T`, which may borrow from them: a `&RawValue` for a part that is only passed on.
    ///
    /// # Errors
    /// An error of the protocol (-32602) that names the field which does not fit: pass it on.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, HandlerError> {
        read_json(self.get()).map_err(HandlerError::from)
    }
}

/// Without what is in them.
impl fmt::Debug for UnreadArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreadArguments").field("bytes", &self.get().len()).finish_non_exhaustive()
    }
}

/// Where in the text of `whole` its part `part` stands.
pub(super) fn place(part: &RawValue, whole: &RawValue) -> Range<usize> {
    let from = part.get().as_ptr().addr().saturating_sub(whole.get().as_ptr().addr());
    from..from + part.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_part_that_was_meant_and_an_object_if_there_is_none() {
        let raw = || RawValue::from_string(r#"{"n": 1, "a" : {"b":[2]} ,"c":null}"#.to_owned()).unwrap();
        #[derive(Debug, Deserialize)]
        struct Parts<'a> {
            #[serde(borrow)]
            a: &'a RawValue,
            #[serde(borrow)]
            n: &'a RawValue,
        }
        let params = Params::new(Some(raw()));
        let whole = params.raw().unwrap();
        let parts: Parts<'_> = serde_json::from_str(whole.get()).unwrap();
        let of = |at| UnreadArguments::new(params.clone(), at);
        assert_eq!(of(Some(place(parts.a, whole))).get(), r#"{"b":[2]}"#);
        assert_eq!(of(Some(place(parts.n, whole))).get(), "1");
        assert_eq!(of(None).get(), "{}");
        assert_eq!(UnreadArguments::new(Params::default(), None).get(), "{}");
        assert_eq!(of(Some(0..whole.get().len())).read::<Parts<'_>>().unwrap().n.get(), "1");
        assert!(of(None).read::<Parts<'_>>().unwrap_err().to_string().contains("missing field `a`"));
    }
}
