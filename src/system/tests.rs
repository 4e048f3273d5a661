//! Whole systems, with consoles in memory instead of terminals.

use std::thread;
use std::time::{Duration, Instant};

use limen_isa::module::Module;
use limen_vm::device::{Console, Device, Entropy, SharedConsole};
use limen_vm::{Boot, Config, EngineKind, Machine, Mode, Outcome, Time, verify};

use super::Source;
use super::image::DeviceSort;

/// Nobody waits longer than this for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A system that runs on a thread of its own, with the other ends of its consoles.
struct System {
    terminal: SharedConsole,
    control: SharedConsole,
    machine: thread::JoinHandle<Outcome>,
    shown: String,
}

impl System {
    /// The built-in system.
    fn boot(engine: EngineKind, time: Time) -> Self {
        let image = Source::open(None).and_then(|source| source.image()).expect("the built-in system is sound");
        let (terminal, control) = (SharedConsole::default(), SharedConsole::default());
        let console = |backend: &SharedConsole| Box::new(Console::new(backend.clone())) as Box<dyn Device>;
        let mut numbers = 0_u8..;
        let random = move |into: &mut [u8]| into.fill_with(|| numbers.next().unwrap_or_default());
        let devices = image.devices.iter().map(|sort| match sort {
            DeviceSort::Console => console(&terminal),
            DeviceSort::Control => console(&control),
            DeviceSort::Entropy => Box::new(Entropy::new(random.clone())),
        });
        let module = |bytes: &[u8], mode| {
            verify(Module::read(bytes).expect("the image's modules can be read"), mode).expect("they verify")
        };
        let kernel = module(&image.kernel, Mode::Kernel);
        let modules = image.modules.iter().map(|bytes| module(bytes, Mode::User)).collect();
        let boot = Boot { modules, segments: vec![image.plan.clone()], devices: devices.collect() };
        let machine = thread::spawn(move || {
            let config = Config { engine, time, deadline: Some(PATIENCE), ..Config::default() };
            let mut machine: Machine = limen_jit::machine(config).expect("the budget allows a machine");
            machine.boot_system(&kernel, boot).expect("the system boots")
        });
        Self { terminal, control, machine, shown: String::new() }
    }

    /// Waits until the terminal has shown a text behind what was waited for last; gives all up to there.
    fn wait_for(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            self.shown += &String::from_utf8_lossy(&self.terminal.take_output());
            if let Some(at) = self.shown.find(text) {
                return self.shown.drain(..at + text.len()).collect();
            }
            let over = self.machine.is_finished() || begun.elapsed() > PATIENCE;
            assert!(!over, "the terminal does not show {text:?}, but: {:?}", self.shown);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Types a line, and gives what is shown until the next prompt.
    fn enter(&mut self, line: &str) -> String {
        self.terminal.input(format!("{line}\r").as_bytes());
        self.wait_for("\n> ")
    }

    /// Asks the service `control`, and gives its answer.
    fn ask(&self, request: &str) -> String {
        self.control.input(format!("> {request}\n").as_bytes());
        let (begun, mut answer) = (Instant::now(), String::new());
        while !answer.ends_with("ok\n") && !answer.contains("error") {
            answer += &String::from_utf8_lossy(&self.control.take_output());
            assert!(begun.elapsed() < PATIENCE && !self.machine.is_finished(), "no whole answer, but: {answer:?}");
            thread::sleep(Duration::from_millis(2));
        }
        answer
    }

    fn stop(mut self) -> (Outcome, String) {
        self.terminal.input(b"stop 7\r");
        let outcome = self.machine.join().expect("the machine's thread ends");
        self.shown += &String::from_utf8_lossy(&self.terminal.take_output());
        (outcome, self.shown)
    }
}

/// What is typed, and what must be among the answers.
const SCRIPT: [(&str, &str); 14] = [
    ("help", "stops the machine"),
    ("put greeting hello, world", "\n> "),
    ("get greeting", "\r\nhello, world\r\n"),
    ("get nothing", "there is no value under that key"),
    ("kill store", "\n> "),
    ("get greeting", "\r\nhello, world\r\n"),
    ("kill log", "\n> "),
    ("log", "\n> "),
    ("engine store interp", "\n> "),
    ("engine clock jit", "\n> "),
    ("services", "store        running   interp   8      1"),
    ("wait 5", "\n> "),
    ("nonsense", "nonsense: there is no such command"),
    ("kill nobody", "there is no service of that name"),
];

fn transcript(engine: EngineKind, time: Time) -> String {
    let mut system = System::boot(engine, time);
    let mut all = system.wait_for("\n> ");
    for (line, answer) in SCRIPT {
        let shown = system.enter(line);
        assert!(shown.contains(answer), "{line}: {shown:?}, {}, {time:?}", engine.name());
        all += &shown;
    }
    let (outcome, rest) = system.stop();
    assert_eq!(outcome, Outcome::Halted(7), "{}, {time:?}", engine.name());
    all + &rest
}

#[test]
fn a_session_is_the_same_on_every_engine() {
    let mut first = None;
    for engine in EngineKind::ALL {
        let shown = transcript(engine, Time::Virtual);
        assert_eq!(*first.get_or_insert_with(|| shown.clone()), shown, "{}", engine.name());
        transcript(engine, Time::Live);
    }
}

#[test]
fn control_answers_for_init() {
    let mut system = System::boot(EngineKind::Tiered, Time::Live);
    system.wait_for("\n> ");
    let services = system.ask("services");
    assert!(services.starts_with("=name=log\tstate=running\tengine="), "{services}");
    assert_eq!(system.ask("kill terminal"), "ok\n");
    assert!(system.ask("services").contains("=name=terminal\tstate=running\tengine=tiered\trestarts=1\t"));
    assert_eq!(system.ask("restart store"), "ok\n");
    assert_eq!(system.ask("engine store jit"), "ok\n");
    assert_eq!(system.ask("kill nobody"), "error there is no service of that name\n");
    assert_eq!(system.ask("dance"), "error there is no such request\n");
    assert_eq!(system.stop().0, Outcome::Halted(7));
}
