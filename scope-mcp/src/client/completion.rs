//! Proposals for what somebody is typing.

use super::call::{read, write};
use super::{CallOptions, Client};
use crate::error::CallError;
use crate::model::{CompleteParams, CompleteResult};

impl Client {
    /// Asks for proposals for an argument of a prompt or of a template of resources, given what has been typed. It is sent
    /// whether or not the server declares `completions`.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw): dropping the future, since somebody has typed on, tells the server.
    ///
    /// ```no_run
    /// use scope_mcp::model::{CompleteParams, CompletionReference};
    /// # async fn f(client: scope_mcp::Client) -> Result<(), scope_mcp::CallError> {
    /// let asked = CompleteParams::new(CompletionReference::prompt("travel"), "city", "Par").given("country", "France");
    /// let found = client.complete(&asked).await?.completion.values;
    /// # drop(found);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn complete(&self, params: &CompleteParams) -> Result<CompleteResult, CallError> {
        self.complete_with(params, &CallOptions::default()).await
    }

    /// As [`complete`](Client::complete), with other options.
    ///
    /// # Errors
    /// As [`complete`](Client::complete).
    pub async fn complete_with(
        &self,
        params: &CompleteParams,
        options: &CallOptions,
    ) -> Result<CompleteResult, CallError> {
        let name = self.call_name("completion/complete", Some(&params.argument.name));
        let params = write(&name, params)?;
        let answer = self.ask(&name, Some(params), options).await?;
        read(&name, &answer)
    }
}
