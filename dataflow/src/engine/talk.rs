//! What the shells of different workers say to each other, over the engine's own network: that a
//! process lives, that all shall end, and words that only they understand.

use super::Engine;
use super::beat::Beat;

impl Engine {
    /// Says that this process lives, to the first worker of every other one.
    pub fn say_alive(&mut self) {
        let (mine, peers) = (self.worker.index() as u64, self.worker.peers() as u64);
        for worker in (0..peers).step_by(self.workers_per_process as usize) {
            if worker / self.workers_per_process != mine / self.workers_per_process {
                self.heart.tell(worker, Beat::Alive);
            }
        }
    }

    /// Says something to the shell at worker 0.
    pub fn say(&mut self, word: String) {
        self.heart.tell(0, Beat::Word(word));
    }

    /// Says something to the shells at all workers.
    pub fn say_to_all(&mut self, word: String) {
        self.heart.announce(&Beat::Word(word));
    }

    /// What was said to this shell.
    pub fn next_word(&mut self) -> Option<String> {
        self.heart.next_word()
    }

    /// Asks worker 0 to end all workers.
    pub fn ask_end(&mut self) {
        self.heart.tell(0, Beat::AskEnd);
    }

    /// Whether a worker was asked to end. At worker 0.
    pub fn end_asked(&self) -> bool {
        self.heart.end_asked()
    }

    /// Ends all workers. Worker 0 only.
    pub fn announce_end(&mut self) {
        self.heart.announce(&Beat::End);
    }

    /// Whether all workers end now.
    pub fn ends(&self) -> bool {
        self.heart.ends()
    }
}
