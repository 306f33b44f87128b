//! What a client does with resources.

use serde::Serialize;

use super::call::{read, write};
use super::paging::Listed;
use super::{CallOptions, Client, Page};
use crate::error::CallError;
use crate::model::{ReadResourceResult, Resource, ResourceTemplate};

impl Listed for Resource {
    const METHOD: &'static str = "resources/list";
    const CAPABILITY: &'static str = "resources";
    const FIELD: &'static str = "resources";
    const NOUN: [&'static str; 2] = ["resource", "resources"];
}

impl Listed for ResourceTemplate {
    const METHOD: &'static str = "resources/templates/list";
    const CAPABILITY: &'static str = "resources";
    const FIELD: &'static str = "resourceTemplates";
    const NOUN: [&'static str; 2] = ["resource template", "resource templates"];
}

impl Client {
    /// All resources of the server, over all pages. A server that does not declare `resources` is not asked, and has none.
    ///
    /// What you get is what each page said: where the server changes its resources between two pages, one may be there
    /// twice, or be missing.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_resources(&self) -> Result<Vec<Resource>, CallError> {
        self.list_resources_with(&CallOptions::default()).await
    }

    /// As [`list_resources`](Client::list_resources), with other options.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    pub async fn list_resources_with(&self, options: &CallOptions) -> Result<Vec<Resource>, CallError> {
        self.list_all(options).await
    }

    /// One page of the resources: the first, or the one that `cursor`, from the page before, stands for. A server that does
    /// not declare `resources` is not asked, and its only page is empty.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_resources_page(&self, cursor: Option<&str>) -> Result<Page<Resource>, CallError> {
        self.list_resources_page_with(cursor, &CallOptions::default()).await
    }

    /// As [`list_resources_page`](Client::list_resources_page), with other options.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    pub async fn list_resources_page_with(
        &self,
        cursor: Option<&str>,
        options: &CallOptions,
    ) -> Result<Page<Resource>, CallError> {
        self.list_page(cursor, options).await
    }

    /// All resource templates of the server, over all pages. A server that does not declare `resources` is not
    /// asked, and has none; one that does and knows no templates refuses (-32601).
    ///
    /// What you get is what each page said: where the server changes its resource templates between two pages, one may be there
    /// twice, or be missing.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_resource_templates(&self) -> Result<Vec<ResourceTemplate>, CallError> {
        self.list_resource_templates_with(&CallOptions::default()).await
    }

    /// As [`list_resource_templates`](Client::list_resource_templates), with other options.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    pub async fn list_resource_templates_with(
        &self,
        options: &CallOptions,
    ) -> Result<Vec<ResourceTemplate>, CallError> {
        self.list_all(options).await
    }

    /// One page of the resource templates: the first, or the one that `cursor`, from the page before, stands for. A server that does
    /// not declare `resources` is not asked, and its only page is empty.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_resource_templates_page(
        &self,
        cursor: Option<&str>,
    ) -> Result<Page<ResourceTemplate>, CallError> {
        self.list_resource_templates_page_with(cursor, &CallOptions::default()).await
    }

    /// As [`list_resource_templates_page`](Client::list_resource_templates_page), with other options.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    pub async fn list_resource_templates_page_with(
        &self,
        cursor: Option<&str>,
        options: &CallOptions,
    ) -> Result<Page<ResourceTemplate>, CallError> {
        self.list_page(cursor, options).await
    }

    /// Reads the resource at `uri`. It is sent as it is, whether or not the server lists it: what a template makes, for
    /// example, is in no list.
    ///
    /// # Errors
    /// See [`CallError`]; a resource that is not there is for the server to
    /// [refuse](CallError::rejection).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn read_resource(&self, uri: &str) -> Result<ReadResourceResult, CallError> {
        self.read_resource_with(uri, &CallOptions::default()).await
    }

    /// As [`read_resource`](Client::read_resource), with other options.
    ///
    /// # Errors
    /// As [`read_resource`](Client::read_resource).
    pub async fn read_resource_with(&self, uri: &str, options: &CallOptions) -> Result<ReadResourceResult, CallError> {
        #[derive(Serialize)]
        struct Params<'a> {
            uri: &'a str,
        }
        let name = self.call_name("resources/read", Some(uri));
        let params = write(&name, &Params { uri })?;
        let answer = self.ask(&name, Some(params), options).await?;
        read(&name, &answer)
    }
}
