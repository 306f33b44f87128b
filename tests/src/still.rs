use scope_core::{Exit, Failure, Inbox, Name, Service};

/// A service of that name which is ready at once, and stays so until somebody wants it closed.
#[derive(Debug)]
pub struct Still(pub &'static str);

impl Service for Still {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new(self.0)
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}
