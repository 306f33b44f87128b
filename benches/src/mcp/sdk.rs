//! rmcp, the official SDK: its client, on its own child process.

use std::sync::Arc;

use rmcp::model::{CallToolRequestParams, JsonObject, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};

use super::echo::{Echo, Era, TOOL};
use super::host::{Host, On};
use super::server::Server;

type Running = RunningService<RoleClient, ()>;

/// A client of rmcp that is open.
pub(super) struct Sdk {
    pub(super) host: Host,
    /// Until it is closed.
    client: Option<Arc<Running>>,
}

impl Sdk {
    pub(super) fn open(on: On, server: Server, era: Era) -> Sdk {
        let host = Host::new(on);
        let lifecycle = lifecycle(era);
        let client = host.block_on(async move {
            let (program, arguments) = server.command();
            let mut command = tokio::process::Command::new(program);
            command.args(arguments);
            let transport = TokioChildProcess::new(command).expect("this program can be started again");
            ().serve_with_lifecycle(transport, lifecycle).await.expect("the server can be opened")
        });
        Sdk { host, client: Some(Arc::new(client)) }
    }

    pub(super) fn client(&self) -> &Arc<Running> {
        self.client.as_ref().expect("it is not closed before it is dropped")
    }
}

pub(super) fn lifecycle(era: Era) -> ClientLifecycleMode {
    match era {
        // As `serve` does.
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
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
