//! Our server: asked line by line, as any client may ask it, on every runtime.

mod asking;
mod eras;
mod running;
mod tasks;
mod wire;
