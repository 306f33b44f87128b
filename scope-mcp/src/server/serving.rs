//! Serving a client: a connection that has one owner.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use scope_core::{CloseError, ScopeError, ServiceHandle, SpawnError, nursery};

use super::connection::Connection;
use super::{ServeOptions, ServeReport, Server};
use crate::client::Home;
use crate::state::{Course, States};
use crate::transport::Stream;

/// A handle of a client that is being served: cheap to clone, to be used from any task.
///
/// The connection belongs to the [`Home`] it was started in, which does not return before it has ended. When the last
/// handle is dropped it is closed.
#[derive(Clone)]
pub struct ServerHandle {
    handle: ServiceHandle<Connection>,
    course: Arc<Course>,
}

impl ServerHandle {
    /// Closes the connection, and waits until it has ended: nothing new is begun, requests that run may come to
    /// [their end](ServeOptions::drain). From any task, as often as one likes.
    ///
    /// # Errors
    /// See [`CloseError`]: the connection has ended, but its clean-up did not come to its end; or, without effect, this was
    /// called from within the connection, by a handler.
    ///
    /// # Cancel safety
    /// Safe: once it has been polled, the connection is being closed, whether somebody waits for it or not.
    pub async fn close(&self) -> Result<Arc<ServeReport>, CloseError> {
        self.handle.close().await
    }

    /// Asks for the connection to be closed and does not wait.
    pub fn begin_close(&self) {
        self.handle.begin_close();
    }

    /// Waits until the connection has ended, for whatever reason, and says how; `None` if its clean-up did not come to its
    /// end.
    ///
    /// # Cancel safety
    /// Safe: dropping the future changes nothing.
    pub async fn closed(&self) -> Option<Arc<ServeReport>> {
        self.handle.closed().await.report().cloned()
    }

    /// The states of the connection, from the first one on.
    pub fn states(&self) -> States {
        self.course.watch()
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl Server {
    /// Serves a client in `home`, and does not wait for its end.
    ///
    /// # Errors
    /// [`SpawnError`] if `home` takes no more tasks.
    #[track_caller]
    pub fn start(&self, home: &impl Home, stream: Stream, options: ServeOptions) -> Result<ServerHandle, SpawnError> {
        let connection = Connection::new(self.clone(), stream, options);
        let course = connection.course();
        Ok(ServerHandle { handle: home.serve(connection)?, course })
    }

    /// Serves a client until it has said all, has been answered, and all that ran for it has ended. See
    /// [`transport::stdio`](crate::transport::stdio) for the client that started this program.
    ///
    /// # Errors
    /// [`ScopeError`]: there is no runtime (run it in a nursery that brings one), or something that a handler left behind
    /// failed. That the client went is none: the report says so.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection is cut off, and what ran for it is cancelled.
    #[track_caller]
    pub fn serve(
        &self,
        stream: Stream,
        options: ServeOptions,
    ) -> impl Future<Output = Result<Arc<ServeReport>, ScopeError>> + Send + use<> {
        let connection = Connection::new(self.clone(), stream, options);
        async move {
            nursery(async |n| {
                let handle = scope_core::Spawns::serve(n, connection);
                if let Err(error) = handle.ready().await
                    && handle.info().is_none()
                {
                    return Err(error.into());
                }
                // It was open: a client may be done before anybody has looked.
                let ended = handle.closed().await;
                match ended.report() {
                    Some(report) => Ok(Arc::clone(report)),
                    None => Err(ended.error().clone().into()),
                }
            })
            .await
        }
    }
}
