//! rmcp's own server and client, on our standard input and output or on rmcp's.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use scope_mcp_rmcp::Stdio;
use serde_json::json;

pub(crate) struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |name: &'static str| Tool::new(name, "does what it says", JsonObject::new());
        Ok(ListToolsResult::with_all_items(vec![tool("echo"), tool("sleep"), tool("fails")]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = match &*request.name {
            "echo" => arguments["message"].as_str().unwrap_or_default().to_owned(),
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0))).await;
                "woke".into()
            }
            other => return Err(ErrorData::invalid_params(format!("no tool {other}"), Some(json!({ "x": 1 })))),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

pub(super) fn serve(ours: bool) {
    runtime().block_on(async {
        if ours {
            let transport = Stdio::new().unwrap();
            Echo.serve(transport).await.unwrap().waiting().await.unwrap();
        } else {
            Echo.serve(rmcp::transport::stdio()).await.unwrap().waiting().await.unwrap();
        }
    });
}

/// The other way round: a client that speaks to whoever started it. What it was told goes to standard error.
pub(super) fn ask() {
    runtime().block_on(async {
        let client = ().serve(Stdio::new().unwrap()).await.unwrap();
        let mut call = CallToolRequestParams::new("echo");
        call.arguments = json!({ "message": "from below" }).as_object().cloned();
        let result = client.call_tool(call).await.unwrap();
        eprintln!("told: {}", result.content[0].as_text().unwrap().text);
        client.cancel().await.unwrap();
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
