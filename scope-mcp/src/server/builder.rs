//! Putting a server together.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::error::{Offered, Wrong};
use super::registry::{Lists, Registry, Switches};
use super::state::StateKey;
use super::{
    BuildError, Context, PromptArguments, PromptOutput, ResourceOutput, ResourceUri, Server, ServerPrompt,
    ServerResource, ServerTemplate, ServerTool, ToolOutput,
};
use crate::model::{Implementation, Prompt, Resource, ResourceTemplate};

/// Puts a [`Server`] together; see [`Server::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct ServerBuilder {
    info: Implementation,
    instructions: Option<String>,
    tools: Vec<ServerTool>,
    resources: Vec<ServerResource>,
    templates: Vec<ServerTemplate>,
    prompts: Vec<ServerPrompt>,
    switches: Switches,
    page_size: usize,
    state_key: Option<[u8; 32]>,
    state_lifetime: Duration,
    max_state: usize,
}

impl ServerBuilder {
    pub(super) fn new(name: String, version: String) -> Self {
        ServerBuilder {
            info: Implementation::new(name, version),
            instructions: None,
            tools: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            prompts: Vec::new(),
            switches: Switches::default(),
            page_size: 1000,
            state_key: None,
            state_lifetime: Duration::from_secs(10 * 60),
            max_state: 64 * 1024,
        }
    }

    /// Says more about it than its name and version: title, address on the web, icons.
    pub fn describe(mut self, more: impl FnOnce(Implementation) -> Implementation) -> Self {
        self.info = more(self.info);
        self
    }

    /// What a model should know to use it.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// Offers a tool; see [`ServerTool::new`].
    pub fn tool<A, F, R>(self, name: impl Into<String>, description: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ToolOutput> + Send + 'static,
    {
        self.add_tool(ServerTool::new(name, description, handler))
    }

    /// Offers a tool.
    pub fn add_tool(mut self, tool: ServerTool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Offers a resource; see [`ServerResource::new`].
    pub fn resource<F, R>(self, resource: Resource, handler: F) -> Self
    where
        F: Fn(ResourceUri, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ResourceOutput> + Send + 'static,
    {
        self.add_resource(ServerResource::new(resource, handler))
    }

    /// Offers a resource.
    pub fn add_resource(mut self, resource: ServerResource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Offers all resources whose addresses follow a template; see [`ServerTemplate`].
    pub fn template<F, R>(self, template: ResourceTemplate, handler: F) -> Self
    where
        F: Fn(ResourceUri, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ResourceOutput> + Send + 'static,
    {
        self.add_template(ServerTemplate::new(template, handler))
    }

    /// Offers all resources whose addresses follow a template.
    pub fn add_template(mut self, template: ServerTemplate) -> Self {
        self.templates.push(template);
        self
    }

    /// Offers a prompt; see [`ServerPrompt::new`].
    pub fn prompt<F, R>(self, prompt: Prompt, handler: F) -> Self
    where
        F: Fn(PromptArguments, Context) -> R + Send + Sync + 'static,
        R: Future<Output: PromptOutput> + Send + 'static,
    {
        self.add_prompt(ServerPrompt::new(prompt, handler))
    }

    /// Offers a prompt.
    pub fn add_prompt(mut self, prompt: ServerPrompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// Tools may come and go while it runs: [`Server::add_tool`] and [`Server::remove_tool`] work, and clients are told
    /// that they may be told.
    pub fn dynamic_tools(mut self) -> Self {
        self.switches.dynamic_tools = true;
        self
    }

    /// As [`dynamic_tools`](ServerBuilder::dynamic_tools), for resources and templates.
    pub fn dynamic_resources(mut self) -> Self {
        self.switches.dynamic_resources = true;
        self
    }

    /// As [`dynamic_tools`](ServerBuilder::dynamic_tools), for prompts.
    pub fn dynamic_prompts(mut self) -> Self {
        self.switches.dynamic_prompts = true;
        self
    }

    /// What resources hold may change while it runs: clients can subscribe, and [`Server::resource_updated`] tells them.
    pub fn resource_updates(mut self) -> Self {
        self.switches.resource_updates = true;
        self
    }

    /// Its handlers log to the client.
    pub fn logging(mut self) -> Self {
        self.switches.logging = true;
        self
    }

    /// How many entries a page of a list has at most. Unless set: 1000. At least 1.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.page_size = entries;
        self
    }

    /// The key that signs what a client carries for the server between two rounds of a call (`requestState`). Unless set: a
    /// random one, so that no other server, and no later one, takes it up. Whoever knows the key can forge it.
    pub fn state_key(mut self, key: [u8; 32]) -> Self {
        self.state_key = Some(key);
        self
    }

    /// For how long that holds, from question to answer. Unless set: 10 minutes.
    pub fn state_lifetime(mut self, lifetime: Duration) -> Self {
        self.state_lifetime = lifetime;
        self
    }

    /// How long it may be, in bytes; a call that has more to remember fails. Unless set: 64 KiB.
    pub fn max_state(mut self, bytes: usize) -> Self {
        self.max_state = bytes;
        self
    }

    /// The server.
    ///
    /// # Errors
    /// If something is offered twice, a schema or template is none, or a name is none: see [`BuildError`].
    pub fn build(self) -> Result<Server, BuildError> {
        let mut lists = Lists::new();
        for tool in self.tools {
            lists.add_tool(&Arc::new(tool.check()?))?;
        }
        for resource in self.resources {
            lists.add_resource(&Arc::new(resource.check()?))?;
        }
        for template in self.templates {
            lists.add_template(&Arc::new(template.check()?))?;
        }
        for prompt in self.prompts {
            lists.add_prompt(&Arc::new(prompt.check()?))?;
        }
        let key = match self.state_key {
            Some(key) => key,
            None => random().map_err(|why| {
                BuildError::new(Offered::Server(self.info.name.clone()), Wrong::Random(why.to_string()))
            })?,
        };
        let state_key = StateKey::new(key, self.state_lifetime, self.max_state);
        let Self { info, instructions, switches, page_size, .. } = self;
        Ok(Server::new(Registry::new(info, instructions, switches, page_size, state_key, lists)))
    }
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}
