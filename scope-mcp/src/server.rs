//! A server: what it offers, and the connections it serves.

mod answer;
mod arguments;
mod ask;
mod builder;
mod caller;
mod calling;
mod changes;
mod complete;
mod connection;
mod context;
mod dispatch;
mod error;
mod fit;
mod listen;
mod members;
mod options;
mod output;
mod page;
mod prompt;
mod registry;
mod report;
mod resource;
mod serving;
mod shared;
mod state;
mod tasks;
mod timestamp;
mod tool;
mod typed;
mod uri_template;

use std::sync::Arc;

pub use arguments::UnreadArguments;
pub use ask::AskError;
pub use builder::ServerBuilder;
pub use complete::Completing;
pub use context::Context;
pub use error::{BuildError, HandlerError};
pub use options::ServeOptions;
pub use output::{CompletionOutput, Json, NoArguments, PromptOutput, ResourceOutput, ToolOutput};
pub use prompt::{PromptArguments, ServerPrompt};
pub use report::{ServeEnding, ServeReport};
pub use resource::{ResourceUri, ServerResource, ServerTemplate};
pub use serving::ServerHandle;
pub use tool::ServerTool;

use changes::Change;
use error::{Offered, Wrong};
use registry::Registry;

/// A server: what it offers, to be served on any number of connections, and changed meanwhile.
///
/// Cheap to clone; all clones are the same server.
///
/// ```
/// use schemars::JsonSchema;
/// use scope_mcp::{Context, Server};
///
/// #[derive(serde::Deserialize, JsonSchema)]
/// struct Add {
///     a: i64,
///     b: i64,
/// }
///
/// let server = Server::builder("calculator", "1.0.0")
///     .instructions("Adds numbers, for those who cannot.")
///     .tool("add", "Adds two numbers", |args: Add, _: Context| async move { (args.a + args.b).to_string() })
///     .build()?;
/// # let _ = server;
/// # Ok::<_, scope_mcp::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    registry: Arc<Registry>,
}

impl Server {
    /// Begins a server of that name and version, which offers nothing yet.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> ServerBuilder {
        ServerBuilder::new(name.into(), version.into())
    }

    fn new(registry: Registry) -> Server {
        Server { registry: Arc::new(registry) }
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Offers one more tool, and tells the clients.
    ///
    /// A handler has its server by [`Context::server`]. One that holds a `Server` itself, offered by that very server,
    /// keeps it for ever.
    ///
    /// # Errors
    /// See [`BuildError`]; also if the server was built without [`dynamic_tools`](ServerBuilder::dynamic_tools).
    pub fn add_tool(&self, tool: ServerTool) -> Result<(), BuildError> {
        let tool = Arc::new(tool.check()?);
        self.tools_may_change(tool.name())?;
        self.registry.write().add_tool(&tool)?;
        self.registry.tell(&Change::Tools);
        Ok(())
    }

    /// Offers a tool no longer, and tells the clients. Calls of it that run already go on. Whether it was offered.
    ///
    /// # Errors
    /// If the server was built without [`dynamic_tools`](ServerBuilder::dynamic_tools).
    pub fn remove_tool(&self, name: &str) -> Result<bool, BuildError> {
        self.tools_may_change(name)?;
        // What it drops, it drops without the lock.
        let removed = self.registry.write().tools.remove(name);
        Ok(self.changed(Change::Tools, removed.is_some()))
    }

    fn tools_may_change(&self, name: &str) -> Result<(), BuildError> {
        let switch = (self.registry.switches.dynamic_tools, "dynamic_tools");
        may_change(switch, || Offered::Tool(name.to_owned()))
    }

    /// Offers one more resource, and tells the clients.
    ///
    /// # Errors
    /// See [`BuildError`]; also if the server was built without
    /// [`dynamic_resources`](ServerBuilder::dynamic_resources).
    pub fn add_resource(&self, resource: ServerResource) -> Result<(), BuildError> {
        let resource = Arc::new(resource.check()?);
        self.resources_may_change(|| Offered::Resource(resource.uri().to_owned()))?;
        self.registry.write().add_resource(&resource)?;
        self.registry.tell(&Change::Resources);
        Ok(())
    }

    /// Offers a resource no longer, and tells the clients. Whether it was offered.
    ///
    /// # Errors
    /// If the server was built without [`dynamic_resources`](ServerBuilder::dynamic_resources).
    pub fn remove_resource(&self, uri: &str) -> Result<bool, BuildError> {
        self.resources_may_change(|| Offered::Resource(uri.to_owned()))?;
        let removed = self.registry.write().resources.remove(uri);
        Ok(self.changed(Change::Resources, removed.is_some()))
    }

    /// As [`add_resource`](Server::add_resource), for a template.
    ///
    /// # Errors
    /// As there.
    pub fn add_template(&self, template: ServerTemplate) -> Result<(), BuildError> {
        let template = Arc::new(template.check()?);
        self.resources_may_change(|| Offered::Template(template.uri_template().to_owned()))?;
        self.registry.write().add_template(&template)?;
        self.registry.tell(&Change::Resources);
        Ok(())
    }

    /// As [`remove_resource`](Server::remove_resource), for a template.
    ///
    /// # Errors
    /// As there.
    pub fn remove_template(&self, uri_template: &str) -> Result<bool, BuildError> {
        self.resources_may_change(|| Offered::Template(uri_template.to_owned()))?;
        let removed = self.registry.write().templates.remove(uri_template);
        Ok(self.changed(Change::Resources, removed.is_some()))
    }

    fn resources_may_change(&self, offered: impl FnOnce() -> Offered) -> Result<(), BuildError> {
        may_change((self.registry.switches.dynamic_resources, "dynamic_resources"), offered)
    }

    /// Offers one more prompt, and tells the clients.
    ///
    /// # Errors
    /// See [`BuildError`]; also if the server was built without [`dynamic_prompts`](ServerBuilder::dynamic_prompts).
    pub fn add_prompt(&self, prompt: ServerPrompt) -> Result<(), BuildError> {
        let prompt = Arc::new(prompt.check()?);
        self.prompts_may_change(prompt.name())?;
        self.registry.write().add_prompt(&prompt)?;
        self.registry.tell(&Change::Prompts);
        Ok(())
    }

    /// Offers a prompt no longer, and tells the clients. Whether it was offered.
    ///
    /// # Errors
    /// If the server was built without [`dynamic_prompts`](ServerBuilder::dynamic_prompts).
    pub fn remove_prompt(&self, name: &str) -> Result<bool, BuildError> {
        self.prompts_may_change(name)?;
        let removed = self.registry.write().prompts.remove(name);
        Ok(self.changed(Change::Prompts, removed.is_some()))
    }

    fn prompts_may_change(&self, name: &str) -> Result<(), BuildError> {
        let switch = (self.registry.switches.dynamic_prompts, "dynamic_prompts");
        may_change(switch, || Offered::Prompt(name.to_owned()))
    }

    /// What the resource at `uri` holds has changed: tells the clients that have subscribed to it. Nobody has if the
    /// server was built without [`resource_updates`](ServerBuilder::resource_updates).
    pub fn resource_updated(&self, uri: &str) {
        self.registry.tell(&Change::Resource(uri.to_owned()));
    }

    fn changed(&self, change: Change, is: bool) -> bool {
        if is {
            self.registry.tell(&change);
        }
        is
    }
}

fn may_change((on, switch): (bool, &'static str), what: impl FnOnce() -> Offered) -> Result<(), BuildError> {
    if on { Ok(()) } else { Err(BuildError::new(what(), Wrong::Fixed { switch })) }
}
