//! rmcp, the official SDK: its client, and its server.

use std::io;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::transport::{TokioChildProcess, stdio_pipes};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt as _,
};
use scope_mcp_rmcp::ChildProcess;
use tokio::process::Command;

use super::echo::{Connection, Echo, Era, TOOL};
use super::host::{Host, On};
use super::server::Server;

pub(super) type Running = RunningService<RoleClient, ()>;

/// What it starts its server with.
#[derive(Clone, Copy)]
pub(super) enum Transport {
    /// rmcp's own child process.
    Rmcps,
    /// Ours.
    Ours,
}

/// A client of rmcp that is open.
pub(super) struct Sdk {
    host: Host,
    /// Until it is closed.
    client: Option<Arc<Running>>,
}

impl Sdk {
    pub(super) fn open(on: On, transport: Transport, server: Server, era: Era) -> Sdk {
        let host = Host::new(on);
        let client = host.block_on(open(transport, server, era));
        Sdk { host, client: Some(Arc::new(client)) }
    }
}

/// Starts a server and begins a conversation of that era.
pub(super) async fn open(transport: Transport, server: Server, era: Era) -> Running {
    let (program, arguments) = server.command();
    let mut command = Command::new(program);
    command.args(arguments);
    let lifecycle = match era {
        // What `serve` does.
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
    };
    let opened = match transport {
        Transport::Rmcps => {
            let child = TokioChildProcess::new(command).expect("this program can be started again");
            ().serve_with_lifecycle(child, lifecycle).await
        }
        Transport::Ours => {
            let child = ChildProcess::new(command).expect("this program can be started again");
            ().serve_with_lifecycle(child, lifecycle).await
        }
    };
    opened.expect("the server answers")
}

impl Connection for Sdk {
    type Client = Running;

    fn host(&self) -> &Host {
        &self.host
    }

    fn client(&self) -> &Arc<Running> {
        self.client.as_ref().expect("it is not closed before it is dropped")
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        // Calls that have panicked may still hold it: then it ends with its runtime, and the server with its input.
        if let Some(client) = self.client.take().and_then(Arc::into_inner) {
            self.host.block_on(client.cancel()).expect("its task does not panic");
        }
    }
}

impl Echo for Running {
    async fn echo(&self, message: &str) {
        let mut arguments = JsonObject::new();
        arguments.insert("message".to_owned(), message.into());
        let call = CallToolRequestParams::new(TOOL).with_arguments(arguments);
        let result = self.call_tool(call).await.expect("the server answers");
        let text = result.content[0].as_text().expect("it answers with a text");
        assert_eq!(text.text.len(), message.len());
    }
}

struct Tools;

/// By hand, which is what takes rmcp the least: its macros do the same and look the tool up.
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new(TOOL, "Says what it is told", JsonObject::new())]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let message = request.arguments.and_then(|mut arguments| arguments.remove("message"));
        let Some(serde_json::Value::String(message)) = message else {
            return Err(ErrorData::invalid_params("there is no message", None));
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(message)]).into())
    }
}

/// Serves until the input ends, on non-blocking pipes, which its documentation prefers.
pub(super) fn serve(on: On) -> io::Result<()> {
    Host::new(on).block_on(async {
        let service = Tools.serve(stdio_pipes()).await.map_err(io::Error::other)?;
        service.waiting().await?;
        Ok(())
    })
}
