//! A word there and back between two tasks on one thread.

use tokio::runtime::Builder;
use tokio::sync::mpsc::channel;

pub fn channels(rounds: usize) {
    let runtime = Builder::new_current_thread().build().expect("there is room for a runtime");
    runtime.block_on(async {
        let (there, mut asked) = channel::<usize>(1);
        let (back, mut answered) = channel::<usize>(1);
        let server = tokio::spawn(async move {
            while let Some(word) = asked.recv().await {
                back.send(word + 1).await.expect("the client is there");
            }
        });
        for round in 0..rounds {
            there.send(round).await.expect("the server is there");
            assert_eq!(answered.recv().await, Some(round + 1));
        }
        drop(there);
        server.await.expect("the server ends");
    });
}
