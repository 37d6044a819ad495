//! Everything that watches beside the tap, as one set: started together, asked once more at the end, stopped together.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fetch::{ClientError, Fetcher};
use crate::intake::Intake;
use crate::media::MediaTap;
use crate::paths::{PathWatcher, Ready};
use crate::poll::Poller;
use crate::probe::Prober;
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::scrape::Scraper;

/// The watchers of one run.
pub(super) struct Watchers {
    scrapers: Vec<Arc<Scraper>>,
    pollers: Vec<Arc<Poller>>,
    paths: Vec<Arc<PathWatcher>>,
    tracker: TaskTracker,
    token: CancellationToken,
    /// Cancelled once the stimulus was looked at.
    stimulus: CancellationToken,
}

impl Watchers {
    /// Starts to watch everything that the scenario names.
    ///
    /// # Errors
    /// Where no HTTP client can be set up.
    pub(super) fn start(
        scenario: &Scenario,
        media_folder: &Path,
        redactor: &Arc<Redactor>,
        intake: &Intake,
    ) -> Result<Watchers, ClientError> {
        let fetcher = Fetcher::new(Arc::clone(redactor), intake.clock())?;
        let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
        let scrape = |target: &crate::scenario::Target| {
            Arc::new(Scraper::new(&target.name, &target.url, target.every, fetcher.clone(), intake))
        };
        let poll = |target: &crate::scenario::Target| {
            Arc::new(Poller::new(&target.name, &target.url, target.every, fetcher.clone(), intake))
        };
        let path = |target: &crate::scenario::Target| {
            Arc::new(PathWatcher::new(&target.name, &target.url, target.every, fetcher.clone(), intake))
        };
        let watchers = Watchers {
            scrapers: scenario.scrapes.iter().map(scrape).collect(),
            pollers: scenario.polls.iter().map(poll).collect(),
            paths: scenario.paths.iter().map(path).collect(),
            tracker,
            token,
            stimulus: CancellationToken::new(),
        };
        watchers.spawn_http();
        let ready = watchers.paths.first().map(|paths| paths.ready());
        watchers.spawn_media(scenario, media_folder, ready, redactor, intake);
        Ok(watchers)
    }

    fn spawn_http(&self) {
        for scraper in &self.scrapers {
            let (scraper, token) = (Arc::clone(scraper), self.token.clone());
            self.tracker.spawn(async move { scraper.run(token).await });
        }
        for poller in &self.pollers {
            let (poller, token) = (Arc::clone(poller), self.token.clone());
            self.tracker.spawn(async move { poller.run(token).await });
        }
        for paths in &self.paths {
            let (paths, token) = (Arc::clone(paths), self.token.clone());
            self.tracker.spawn(async move { paths.run(token).await });
        }
    }

    fn spawn_media(
        &self,
        scenario: &Scenario,
        folder: &Path,
        ready: Option<Receiver<Ready>>,
        redactor: &Arc<Redactor>,
        intake: &Intake,
    ) {
        for target in &scenario.media {
            let (folder, redactor) = (folder.to_owned(), Arc::clone(redactor));
            let media = MediaTap::new(&target.name, &target.url, folder, ready.clone(), redactor, intake);
            let token = self.token.clone();
            self.tracker.spawn(async move { media.run(token).await });
        }
        for target in &scenario.probes {
            let redactor = Arc::clone(redactor);
            let prober = Prober::new(&target.name, &target.url, target.every, redactor, intake);
            let token = self.token.clone();
            self.tracker.spawn(async move { prober.run(token).await });
        }
        if let Some(stimulus) = &scenario.stimulus {
            let redactor = Arc::clone(redactor);
            let prober = Prober::of_file("stimulus", stimulus, redactor, intake);
            let (token, seen) = (self.token.clone(), self.stimulus.clone());
            self.tracker.spawn(async move {
                prober.live();
                // A run that is over needs no probe of what was published.
                token.run_until_cancelled(prober.once()).await;
                prober.end();
                seen.cancel();
            });
        } else {
            self.stimulus.cancel();
        }
    }

    /// Waits until it is known what will be published, which the probe's own limit bounds.
    pub(super) async fn stimulus_seen(&self) {
        self.stimulus.cancelled().await;
    }

    /// One last look at every page, while the system is still up.
    pub(super) async fn look_once_more(&self) {
        let scrapes = futures_util::future::join_all(self.scrapers.iter().map(|scraper| scraper.once()));
        let polls = futures_util::future::join_all(self.pollers.iter().map(|poller| poller.once()));
        let paths = futures_util::future::join_all(self.paths.iter().map(|paths| paths.once()));
        futures_util::future::join3(scrapes, polls, paths).await;
    }

    /// Ends every watcher, and waits until what it saw is recorded.
    pub(super) async fn stop(self) {
        self.token.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
