//! The resources: a text, bytes, and as many texts as there are addresses.

use scope_mcp::model::{Resource, ResourceContents, ResourceTemplate};
use scope_mcp::{Context, HandlerError, ResourceUri, ServerBuilder};

const README: &str = "This server is bundled with scope-mcp.\nEverything can be tried on it with nothing installed.\n";

/// A picture, in base64.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

pub(super) fn add(server: ServerBuilder) -> ServerBuilder {
    let readme = Resource::new("bundled:readme", "readme")
        .title("Read me")
        .description("What this server is for.")
        .mime_type("text/plain");
    let pixel = Resource::new("bundled:pixel.png", "pixel")
        .title("A pixel")
        .description("A picture of one pixel: bytes, not text.")
        .mime_type("image/png");
    let echo = ResourceTemplate::new("bundled:echo/{text}", "echo")
        .description("The text of its own address.")
        .mime_type("text/plain");
    server
        .resource(readme, async |_, _| README)
        .resource(pixel, async |uri: ResourceUri, _| ResourceContents::blob(uri.as_str(), PIXEL))
        .template(echo, said_back)
}

async fn said_back(uri: ResourceUri, _: Context) -> Result<String, HandlerError> {
    Ok(uri.variable("text")?.to_owned())
}
