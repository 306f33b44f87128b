//! Resources and templates of them: what is said of them, and how one is read.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;

use super::complete::{Completers, Completing};
use super::error::{Offered, Wrong};
use super::tool::check_name;
use super::uri_template::{MAX_URI, UriTemplate, Variables};
use super::{BuildError, CompletionOutput, Context, HandlerError, ResourceOutput};
use crate::jsonrpc::Rejection;
use crate::model::{CompleteResult, ReadResourceResult, Resource, ResourceTemplate};

type Run = Box<dyn Fn(ResourceUri, Context) -> BoxFuture<'static, Read> + Send + Sync>;
type Read = Result<ReadResourceResult, HandlerError>;

/// The address that a client wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceUri {
    uri: String,
    variables: BTreeMap<String, String>,
}

impl ResourceUri {
    /// All of it, as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// What stands in it for a variable of its template, unescaped: so there may be anything in it, `/` and `..` too. Check
    /// it before it becomes part of a path.
    pub fn get(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(String::as_str)
    }

    /// As [`get`](ResourceUri::get), for a variable that the template has.
    ///
    /// # Errors
    /// If the template has none of that name.
    pub fn variable(&self, name: &str) -> Result<&str, HandlerError> {
        self.get(name).ok_or_else(|| HandlerError::new(format_args!("the template has no variable {name:?}")))
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

fn run<F, R>(mime_type: Option<String>, handler: F) -> Run
where
    F: Fn(ResourceUri, Context) -> R + Send + Sync + 'static,
    R: Future<Output: ResourceOutput> + Send + 'static,
{
    Box::new(move |uri, cx| {
        let (text, mime_type) = (uri.uri.clone(), mime_type.clone());
        let handler = handler(uri, cx);
        Box::pin(async move { handler.await.into_resource(&text, mime_type.as_deref()) })
    })
}

/// A resource to be offered, with the function that reads it.
pub struct ServerResource {
    resource: Resource,
    run: Run,
}

impl ServerResource {
    /// The resource of that description. What is read has its [media type](Resource::mime_type), unless it says otherwise.
    pub fn new<F, R>(resource: Resource, handler: F) -> Self
    where
        F: Fn(ResourceUri, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ResourceOutput> + Send + 'static,
    {
        let run = run(resource.mime_type.clone(), handler);
        ServerResource { resource, run }
    }

    pub(super) fn check(self) -> Result<CheckedResource, BuildError> {
        let resource = &self.resource;
        let wrong = |wrong| BuildError::new(Offered::Resource(resource.uri.clone()), wrong);
        check_name(&resource.name).map_err(|why| wrong(Wrong::Name(why)))?;
        check_uri(&resource.uri).map_err(|why| wrong(Wrong::Template(why.to_owned())))?;
        Ok(CheckedResource(self))
    }
}

/// Why a client could not ask for that.
fn check_uri(uri: &str) -> Result<(), &'static str> {
    // RFC 3986: a scheme, a colon, and whatever the scheme makes of the rest.
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    {
        Err("its address does not begin with a scheme (as \"file:\" is one)")
    } else if uri.len() > MAX_URI {
        Err("its address is longer than 16 KiB")
    } else if uri.contains(|c: char| c.is_control() || c == ' ') {
        Err("its address has a space or a control character in it; escape it")
    } else {
        Ok(())
    }
}

/// A resource that can be offered.
#[derive(Debug)]
pub(super) struct CheckedResource(ServerResource);

impl CheckedResource {
    pub(super) fn uri(&self) -> &str {
        &self.0.resource.uri
    }

    pub(super) fn listed(&self) -> &Resource {
        &self.0.resource
    }

    pub(super) async fn read(&self, uri: String, cx: Context) -> Read {
        (self.0.run)(ResourceUri { uri, variables: Variables::new() }, cx).await
    }
}

/// Resources to be offered whose addresses follow a template (RFC 6570), with the function that reads one.
///
/// A template may hold `{name}`, which stands for what has no `/`, `?` or `#` in it, and `{+name}`, which stands for
/// anything; neither stands for nothing. Where an address fits several templates, the one that was added first reads it; a
/// [`ServerResource`] of that very address comes before all.
///
/// ```
/// use scope_mcp::model::ResourceTemplate;
/// use scope_mcp::{Context, HandlerError, ResourceUri, ServerTemplate};
///
/// let template = ResourceTemplate::new("user://{id}/name", "user").mime_type("text/plain");
/// let template = ServerTemplate::new(template, |uri: ResourceUri, _: Context| async move {
///     match uri.variable("id")? {
///         "1" => Ok("Ada"),
///         id => Err(HandlerError::not_found(format_args!("there is no user {id:?}"))),
///     }
/// });
/// # let _ = template;
/// ```
pub struct ServerTemplate {
    template: ResourceTemplate,
    completers: Completers,
    run: Run,
}

impl ServerTemplate {
    /// The template of that description. What is read has its [media type](ResourceTemplate::mime_type), unless it says
    /// otherwise.
    pub fn new<F, R>(template: ResourceTemplate, handler: F) -> Self
    where
        F: Fn(ResourceUri, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ResourceOutput> + Send + 'static,
    {
        let run = run(template.mime_type.clone(), handler);
        ServerTemplate { template, completers: Completers::default(), run }
    }

    /// Proposes values for one of its variables.
    #[must_use]
    pub fn complete<F, R>(mut self, variable: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Completing, Context) -> R + Send + Sync + 'static,
        R: Future<Output: CompletionOutput> + Send + 'static,
    {
        self.completers.add(variable.into(), handler);
        self
    }

    pub(super) fn check(self) -> Result<CheckedTemplate, BuildError> {
        let template = &self.template;
        let wrong = |wrong| BuildError::new(Offered::Template(template.uri_template.clone()), wrong);
        check_name(&template.name).map_err(|why| wrong(Wrong::Name(why)))?;
        let uris = UriTemplate::parse(&template.uri_template).map_err(|why| wrong(Wrong::Template(why.to_string())))?;
        for completed in self.completers.arguments() {
            if !uris.variables().any(|variable| variable == completed) {
                let why = "is of a variable that the template does not have";
                return Err(wrong(Wrong::Completion { argument: completed.to_owned(), why }));
            }
        }
        Ok(CheckedTemplate { offer: self, uris })
    }
}

/// A template that can be offered.
#[derive(Debug)]
pub(super) struct CheckedTemplate {
    offer: ServerTemplate,
    uris: UriTemplate,
}

impl CheckedTemplate {
    pub(super) fn uri_template(&self) -> &str {
        &self.offer.template.uri_template
    }

    pub(super) fn listed(&self) -> &ResourceTemplate {
        &self.offer.template
    }

    pub(super) fn completes(&self) -> bool {
        !self.offer.completers.is_empty()
    }

    /// What its variables are in `uri`, if that is one of its addresses.
    pub(super) fn fits(&self, uri: &str) -> Option<Variables> {
        self.uris.read(uri)
    }

    pub(super) async fn read(&self, uri: String, variables: Variables, cx: Context) -> Read {
        (self.offer.run)(ResourceUri { uri, variables }, cx).await
    }

    pub(super) async fn complete(
        &self,
        variable: &str,
        completing: Completing,
        cx: Context,
    ) -> Result<CompleteResult, HandlerError> {
        if !self.uris.variables().any(|other| other == variable) {
            return Err(Rejection::invalid_params("the template has no variable of that name").into());
        }
        self.offer.completers.complete(variable, completing, cx).await
    }
}

impl fmt::Debug for ServerResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerResource").field("uri", &self.resource.uri).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTemplate").field("template", &self.template.uri_template).finish_non_exhaustive()
    }
}
