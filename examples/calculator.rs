//! A whole MCP server, for whoever starts it: one tool, in every revision of the protocol.
use scope_core::Failure;
use scope_mcp::schemars::{self, JsonSchema};
use scope_mcp::{Context, HandlerError, ServeOptions, Server, transport};
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Divide {
    dividend: f64,
    /// Not 0.
    divisor: f64,
}

async fn divide(numbers: Divide, _: Context) -> Result<String, HandlerError> {
    if numbers.divisor == 0.0 {
        return Err(HandlerError::new("nothing can be divided by 0"));
    }
    Ok((numbers.dividend / numbers.divisor).to_string())
}

async fn serve() -> Result<(), Failure> {
    let server = Server::builder("calculator", "1.0.0").tool("divide", "Divides two numbers", divide).build()?;
    let report = server.serve(transport::stdio()?, ServeOptions::default()).await?;
    eprintln!("{report}");
    Ok(())
}

fn main() {
    scope_tokio::run(async |_| serve().await).unwrap_or_else(|error| eprintln!("{error}"));
}
