//! A service outlives whoever opens it: it borrows nothing.
use scope_core::{Exit, Failure, Inbox, Name, Service};

struct Borrows<'a>(&'a str);

impl<'a> Service for Borrows<'a> {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("borrows")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {
            println!("{}", self.0);
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

fn main() {}
