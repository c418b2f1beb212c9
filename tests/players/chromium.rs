//! `<video>` in Chromium, on the example's own page.

use super::page::Page;
use super::scene::{FAR_S, Scene, has};
use super::shared::Shared;
use super::webdriver::Browser;
use super::{Result, WAIT};
use serde_json::{Value, json};
use std::thread;

/// `event` of a video, once; an error of the video's fails.
const EVENT: &str = "
    const event = (video, name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true });
        video.addEventListener('error', () => reject(video.error.message), { once: true });
    });";

/// The page in a browser, and what serves it.
struct Stage {
    browser: Browser,
    shared: Shared,
    origin: String,
}

impl Stage {
    /// Serves the page for a scene's file. The scene keeps the demo's state by the same [`Shared`].
    fn new(scene: &mut Scene, page: Page) -> Result<Stage> {
        let origin = page.origin();
        let shared = scene.demo.shared.clone();
        let view = scene.demo.view(&scene.daemon)?;
        thread::spawn(move || drop(page.serve(view)));
        Ok(Stage { browser: Browser::start(scene.folder(), &[])?, shared, origin })
    }

    /// Opens the page in the current tab, and waits until its video plays.
    fn play(&mut self) -> Result<()> {
        self.browser.go(&self.origin.clone())?;
        let script = format!(
            "{EVENT} const video = document.querySelector('video');
             const plays = event(video, 'playing'); video.play(); await plays;"
        );
        self.browser.run(&script, Value::Null).map(drop)
    }
}

fn installed() -> bool {
    has("ffmpeg") && has("chromium") && has("chromedriver")
}

fn scene(name: &'static str) -> (Scene, Page) {
    let page = Page::bind(0).expect("a port");
    (Scene::start(name, &page.origin()).expect("a scene"), page)
}

#[test]
fn chromium_starts_seeks_waits_and_finishes() {
    if !installed() {
        return;
    }
    let (mut scene, page) = scene("chromium");
    let mut stage = Stage::new(&mut scene, page).expect("a page in a browser");
    stage.play().expect("playing");
    scene.slow_down_far();
    let script = format!(
        "{EVENT} const video = document.querySelector('video'), began = performance.now();
         const sought = event(video, 'seeked');
         video.currentTime = args.far;
         await sought;
         if (video.paused) await video.play();
         await new Promise(resolve => {{
             const look = () => video.currentTime > args.far ? resolve() : requestAnimationFrame(look);
             look();
         }});
         return performance.now() - began;"
    );
    let waited_ms = stage.browser.run(&script, json!({"far": FAR_S})).expect("playing far ahead");
    let waited_s = waited_ms.as_f64().expect("a time") / 1000.0;
    assert!(waited_s >= WAIT.as_secs_f64(), "it waited {waited_s} s");
    let script = format!(
        "{EVENT} const video = document.querySelector('video');
         const ended = event(video, 'ended'); video.playbackRate = 8; await ended; return video.currentTime;"
    );
    stage.browser.run(&script, Value::Null).expect("the end");
    drop(stage);
    scene.finish(&format!("started, jumped ahead, waited {waited_s:.1} s, played on to the end"));
}

#[test]
fn several_tabs_of_chromium_play_the_same_file() {
    if !installed() {
        return;
    }
    let (mut scene, page) = scene("chromium-tabs");
    let mut stage = Stage::new(&mut scene, page).expect("a page in a browser");
    stage.play().expect("the first tab plays");
    for tab in 2..=4 {
        stage.browser.new_tab().expect("a tab");
        stage.play().unwrap_or_else(|error| panic!("tab {tab}: {error}"));
    }
    scene.slow_down_far();
    let script = format!(
        "{EVENT} const video = document.querySelector('video');
         const sought = event(video, 'seeked'); video.currentTime = args.far; await sought;"
    );
    stage.browser.run(&script, json!({"far": FAR_S})).expect("the last tab seeks");
    drop(stage);
    scene.finish("four tabs played, the last one far ahead");
}

#[test]
fn six_waiting_videos_do_not_hinder_file_requests() {
    if !installed() {
        return;
    }
    let (mut scene, page) = scene("chromium-six");
    let mut stage = Stage::new(&mut scene, page).expect("a page in a browser");
    stage.shared.lock().is_held = true;
    stage.browser.go(&format!("{}/state", stage.origin)).expect("a page without a video");
    let script = "
        const url = (await (await fetch('/state')).json()).url;
        window.videos = Array.from({ length: 6 }, (_, n) => {
            const video = document.createElement('video');
            video.muted = true;
            video.preload = 'auto';
            video.src = `${url}&n=${n}`;
            document.body.append(video);
            return video;
        });";
    stage.browser.run(script, Value::Null).expect("six videos");
    stage.shared.wait_for("six requests that wait", |known| known.open.len() >= 6);
    // Would they wait for a connection, they would wait for ever: nothing arrives before they are answered.
    let script = "
        const times = [];
        for (let n = 0; n < 50; n++) {
            const began = performance.now();
            const answer = await fetch(`http://127.0.0.1:${args.port}/files/${args.file}/read?offset=${n}&length=1000`,
                { headers: { 'X-JST-Auth': args.token, 'X-JST-Session': args.session } });
            if ((await answer.arrayBuffer()).byteLength !== 1000) throw new Error(`status ${answer.status}`);
            times.push(performance.now() - began);
        }
        return times.sort((a, b) => a - b);";
    let daemon = &scene.daemon;
    let session = super::daemon::SESSION;
    let args =
        json!({"port": daemon.port, "token": daemon.token, "session": session, "file": scene.demo.file_id});
    let times = stage.browser.run(script, args).expect("fifty file requests");
    stage.shared.lock().is_held = false;
    let script = "await Promise.all(window.videos.map(video => video.play()));";
    stage.browser.run(script, Value::Null).expect("all six play");
    scene.slow_down_far();
    let script = format!(
        "{EVENT} const video = window.videos[0], sought = event(video, 'seeked'); video.currentTime = args.far; await sought;"
    );
    stage.browser.run(&script, json!({"far": FAR_S})).expect("one of them seeks");
    drop(stage);
    scene.finish(&format!(
        "fifty file requests while six videos waited: median {:.1} ms, worst {:.1} ms",
        times[25].as_f64().unwrap_or(f64::NAN),
        times[49].as_f64().unwrap_or(f64::NAN)
    ));
}
