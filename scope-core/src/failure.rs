//! What a child or a body fails with.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use crate::error::ScopeError;

/// Any error, as a child or a body of a plain [`nursery`](crate::nursery()) returns it: `?` makes one from whatever
/// becomes a `Box<dyn Error + Send + Sync>`, which is every error type that is `Send + Sync + 'static`, `anyhow::Error`,
/// and a text.
///
/// It is deliberately no [`Error`] itself (so that `?` can convert into it) and derefs to `dyn Error`. The error that it
/// was made from comes back by [`downcast`](Failure::downcast); a [`ScopeError`] in it is found again by
/// [`ScopeError::all_leaves`].
pub struct Failure(Box<dyn Error + Send + Sync + 'static>);

impl Failure {
    /// A failure that is only a text.
    pub fn msg(text: impl fmt::Display) -> Self {
        Failure(text.to_string().into())
    }

    /// Whether the error is an `X`.
    pub fn is<X: Error + Send + Sync + 'static>(&self) -> bool {
        self.downcast_ref::<X>().is_some()
    }

    /// The error as an `X`.
    pub fn downcast_ref<X: Error + Send + Sync + 'static>(&self) -> Option<&X> {
        #[cfg(feature = "anyhow")]
        if let Some(whole) = self.0.downcast_ref::<Anyhow>() {
            return whole.0.downcast_ref();
        }
        self.0.downcast_ref()
    }

    /// The error as an `X`, by value.
    ///
    /// # Errors
    /// The failure, unchanged, where it is something else.
    pub fn downcast<X: Error + Send + Sync + 'static>(self) -> Result<X, Self> {
        #[cfg(feature = "anyhow")]
        if self.0.is::<Anyhow>() {
            let whole = self.0.downcast::<Anyhow>().expect("it was just seen to be one");
            return whole.0.downcast().map_err(|whole| Failure(Box::new(Anyhow(whole))));
        }
        match self.0.downcast() {
            Ok(error) => Ok(*error),
            Err(error) => Err(Failure(error)),
        }
    }

    /// The error itself.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync + 'static> {
        #[cfg(feature = "anyhow")]
        if self.0.is::<Anyhow>() {
            let whole = self.0.downcast::<Anyhow>().expect("it was just seen to be one");
            return whole.0.into();
        }
        self.0
    }
}

impl<X> From<X> for Failure
where
    X: Into<Box<dyn Error + Send + Sync + 'static>> + 'static,
{
    fn from(error: X) -> Self {
        #[cfg(feature = "anyhow")]
        let error = match keep_anyhow(error) {
            Ok(whole) => return Failure(Box::new(whole)),
            Err(error) => error,
        };
        Failure(error.into())
    }
}

impl Deref for Failure {
    type Target = dyn Error + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl AsRef<dyn Error + Send + Sync + 'static> for Failure {
    fn as_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Failure {}
    impl<X: std::error::Error + Send + Sync + 'static> Sealed for X {}
}

/// What a typed nursery may fail with: any [`Error`] that is `Send + Sync + 'static`, and [`Failure`]. Sealed.
pub trait Fault: fmt::Display + fmt::Debug + Send + 'static + sealed::Sealed {
    #[doc(hidden)]
    fn into_failure(self) -> Failure;

    #[doc(hidden)]
    fn as_error(&self) -> &(dyn Error + 'static);
}

impl Fault for Failure {
    fn into_failure(self) -> Failure {
        self
    }

    fn as_error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl<X: Error + Send + Sync + 'static> Fault for X {
    fn into_failure(self) -> Failure {
        Failure::from(self)
    }

    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

/// A [`ScopeError`] that was handed on by `?`.
pub(crate) fn as_scope_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ScopeError> {
    #[cfg(feature = "anyhow")]
    if let Some(whole) = error.downcast_ref::<Anyhow>() {
        return whole.0.downcast_ref();
    }
    error.downcast_ref()
}

/// An `anyhow::Error`, kept whole: its chain, its backtrace, and what it can be downcast to.
#[cfg(feature = "anyhow")]
struct Anyhow(anyhow::Error);

#[cfg(feature = "anyhow")]
impl fmt::Display for Anyhow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(feature = "anyhow")]
impl fmt::Debug for Anyhow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(feature = "anyhow")]
impl Error for Anyhow {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// A blanket `From` leaves no room for one of `anyhow::Error`'s own, so it is recognised by its type.
#[cfg(feature = "anyhow")]
fn keep_anyhow<X: 'static>(error: X) -> Result<Anyhow, X> {
    let mut slot = Some(error);
    let any: &mut dyn std::any::Any = &mut slot;
    if let Some(whole) = any.downcast_mut::<Option<anyhow::Error>>().and_then(Option::take) {
        return Ok(Anyhow(whole));
    }
    Err(slot.expect("it was not taken"))
}
