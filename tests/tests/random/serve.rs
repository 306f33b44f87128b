//! The services of a program.

use std::sync::Arc;

use scope_core::{Exit, Failure, Inbox, Name, Reply, Service};

use crate::interpret::{Env, Here, block, task_id};
use crate::journal::{Phase, What};
use crate::program::{Block, Server};

/// A service whose phases are blocks.
pub(crate) struct Served {
    env: Arc<Env>,
    server: Arc<Server>,
}

impl Served {
    pub(crate) fn new(env: Arc<Env>, server: Arc<Server>) -> Self {
        Served { env, server }
    }

    async fn phase(&self, phase: Phase, acts: &Block) -> Result<(), Failure> {
        let service = self.server.id;
        self.env.note(What::Phase { service, phase, task: task_id() });
        let here = Here { body: service, task: service, quiet: true };
        block(self.env.clone(), here, None, acts.clone()).await?;
        self.env.note(What::PhaseEnded { service, phase });
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.env.note(What::ServiceGone(self.server.id));
    }
}

impl Service for Served {
    type Request = Reply<()>;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::from(format!("v{}", self.server.id))
    }

    async fn open(&mut self) -> Result<(), Failure> {
        self.phase(Phase::Open, &self.server.open).await
    }

    async fn serve(&mut self, inbox: &mut Inbox<Reply<()>>) -> Result<(), Failure> {
        while let Some(reply) = inbox.next().await {
            self.phase(Phase::Serve, &self.server.serve).await?;
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
        Ok(())
    }

    async fn end(&mut self, _exit: Exit) {
        // Whatever it fails with, it has ended.
        let _ = self.phase(Phase::End, &self.server.end).await;
    }
}
