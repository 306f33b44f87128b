//! What a client does with prompts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::call::{read, write, written_raw};
use super::paging::Listed;
use super::{CallOptions, Client, Page};
use crate::decode::decode;
use crate::error::CallError;
use crate::model::{GetPromptResult, Prompt};

impl Listed for Prompt {
    const METHOD: &'static str = "prompts/list";
    const CAPABILITY: &'static str = "prompts";
    const FIELD: &'static str = "prompts";
    const NOUN: [&'static str; 2] = ["prompt", "prompts"];
}

#[derive(Serialize)]
struct GetPromptParams<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

impl Client {
    /// All prompts of the server, over all pages. A server that does not declare `prompts` is not asked, and has none.
    ///
    /// What you get is what each page said: where the server changes its prompts between two pages, one may be there
    /// twice, or be missing.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_prompts(&self) -> Result<Vec<Prompt>, CallError> {
        self.list_prompts_with(&CallOptions::default()).await
    }

    /// As [`list_prompts`](Client::list_prompts), with other options.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    pub async fn list_prompts_with(&self, options: &CallOptions) -> Result<Vec<Prompt>, CallError> {
        self.list_all(options).await
    }

    /// One page of the prompts: the first, or the one that `cursor`, from the page before, stands for. A server that does
    /// not declare `prompts` is not asked, and its only page is empty.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_prompts_page(&self, cursor: Option<&str>) -> Result<Page<Prompt>, CallError> {
        self.list_prompts_page_with(cursor, &CallOptions::default()).await
    }

    /// As [`list_prompts_page`](Client::list_prompts_page), with other options.
    ///
    /// # Errors
    /// As [`list_tools_page`](Client::list_tools_page).
    pub async fn list_prompts_page_with(
        &self,
        cursor: Option<&str>,
        options: &CallOptions,
    ) -> Result<Page<Prompt>, CallError> {
        self.list_page(cursor, options).await
    }

    /// Has a prompt filled in with `arguments`: anything that is written as a JSON object of strings. It is sent as it is,
    /// whether or not the server declares `prompts`, or lists this one.
    ///
    /// # Errors
    /// See [`CallError`]; [`is_invalid_params`](CallError::is_invalid_params) if the arguments are something else.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    ///
    /// ```no_run
    /// # async fn f(client: scope_mcp::Client) -> Result<(), scope_mcp::CallError> {
    /// let prompt = client.get_prompt("greeting", &serde_json::json!({ "name": "Ada" })).await?;
    /// # drop(prompt);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_prompt<A>(&self, prompt: &str, arguments: &A) -> Result<GetPromptResult, CallError>
    where
        A: Serialize + Sync + ?Sized,
    {
        self.get_prompt_with(prompt, arguments, &CallOptions::default()).await
    }

    /// As [`get_prompt`](Client::get_prompt), with other options.
    ///
    /// # Errors
    /// As [`get_prompt`](Client::get_prompt).
    pub async fn get_prompt_with<A>(
        &self,
        prompt: &str,
        arguments: &A,
        options: &CallOptions,
    ) -> Result<GetPromptResult, CallError>
    where
        A: Serialize + Sync + ?Sized,
    {
        let name = self.call_name("prompts/get", Some(prompt));
        let arguments = written_raw(&name, arguments)?;
        if let Err(why) = decode::<BTreeMap<String, String>>(arguments.get()) {
            let why = format!("the arguments of a prompt must be a JSON object of strings ({why})");
            return Err(CallError::not_json(&name, why));
        }
        let params = write(&name, &GetPromptParams { name: prompt, arguments: &arguments })?;
        let answer = self.ask(&name, Some(params), options).await?;
        read(&name, &answer)
    }
}
