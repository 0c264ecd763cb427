//! Another configuration, while the daemon runs: all of it or nothing.

use super::{Daemon, sessions};
use crate::daemon::alerts;
use crate::daemon::config::Config;
use crate::daemon::http::Server;
use crate::daemon::watch::Ear;
use crate::error::Result;

impl Daemon {
    /// Goes on with another configuration, or says why not.
    pub(super) async fn reload(&mut self, config: Config) {
        match self.follow(config).await {
            Ok(()) => {
                tracing::info!("the configuration has been read anew");
                self.config_problem = None;
            }
            Err(error) => {
                let problem = alerts::sentence(&error);
                tracing::error!(%problem, "the configuration stays what it was");
                self.config_problem = Some(problem);
            }
        }
        self.show();
    }

    /// Goes on with another configuration, or with nothing of it.
    async fn follow(&mut self, config: Config) -> Result<()> {
        let sessions = sessions(&self.data, &config, &self.world.prices)?;
        if self.config.http != config.http {
            self.move_server(&config).await?;
        }
        (self.strict, self.lenient) = sessions;
        if self.config.observe.watch != config.observe.watch {
            self.ear = Ear::new(self.data.root(), config.observe.watch);
            drop(self.ear.listen());
        }
        self.config = config;
        self.begin_tasks();
        Ok(())
    }

    /// Listens as another configuration says, or goes on as before.
    async fn move_server(&mut self, config: &Config) -> Result<()> {
        // The same address cannot be listened on twice.
        if self.config.http.listen == config.http.listen
            && let Some(server) = self.server.take()
        {
            server.end().await;
        }
        let begun = Server::start(&config.http, self.told.pictures.subscribe(), &self.told.desk).await;
        match begun {
            Ok(server) => self.server = server,
            Err(error) if self.server.is_some() => return Err(error),
            Err(error) => {
                let seen = self.told.pictures.subscribe();
                let before = Server::start(&self.config.http, seen, &self.told.desk).await;
                self.server = before.unwrap_or_default();
                return Err(error);
            }
        }
        Ok(())
    }
}
