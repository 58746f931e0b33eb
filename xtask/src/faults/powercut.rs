//! `powercut`: an ext4 image on a loop device is shut down under the running server.
//!
//! The shutdown is an ioctl of the file system. It is called from perl, which every Debian has, so that no code of
//! ours needs to be unsafe.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use gesta_conformance::Dice;

use super::{place, rounds::Crash, server::Server};
use crate::process::{self, fresh_folder};

/// `EXT4_IOC_SHUTDOWN` with 1: the journal is flushed, data is not; with 2: nothing is.
const SHUTDOWN: &str = r#"
    open(my $folder, "<", $ARGV[0]) or die "open: $!";
    my $flag = pack("L", $ARGV[1]);
    defined(ioctl($folder, 0x8004587D, $flag)) or die "ioctl: $!";
"#;

/// A disk whose power can be cut.
pub(super) struct Disk {
    folder: PathBuf,
    image: PathBuf,
    mount: PathBuf,
    dice: Mutex<Dice>,
}

impl Disk {
    /// Makes the image in an empty folder of this kind of fault and mounts it. The reason why not, where this machine
    /// cannot.
    pub(super) fn fresh(name: &str, megabytes: u64, run: u64) -> Result<Self, String> {
        if !process::is_root() {
            return Err("a power cut takes root, to mount an image: run it with sudo".into());
        }
        for tool in ["mkfs.ext4", "mount", "umount", "perl"] {
            process::installed(tool)
                .ok_or_else(|| format!("{tool} is not installed: apt-get install {tool}"))?;
        }
        let folder = place(name);
        let disk = Self {
            image: folder.join("disk.img"),
            mount: folder.join("disk"),
            folder,
            dice: Mutex::new(Dice::of(run)),
        };
        // An earlier run may have left it mounted.
        let _ = disk.unmount();
        fresh_folder(&disk.folder)?;
        fs::create_dir_all(&disk.mount).map_err(|cause| format!("{}: {cause}", disk.mount.display()))?;
        let image = File::create(&disk.image).and_then(|file| file.set_len(megabytes << 20));
        image.map_err(|cause| format!("{}: {cause}", disk.image.display()))?;
        run_quietly(process::program("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image))?;
        disk.remount()?;
        Ok(disk)
    }

    /// Where what is no part of it may lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data folder on it.
    pub(super) fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    fn remount(&self) -> Result<(), String> {
        run_quietly(process::program("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount))
    }

    fn unmount(&self) -> Result<(), String> {
        run_quietly(process::program("umount").arg(&self.mount))
    }

    /// Everything that is not synced is gone; later calls fail until the disk is mounted again.
    pub(super) fn cut(&self, flag: u64) -> Result<(), String> {
        run_quietly(process::program("perl").args(["-e", SHUTDOWN]).arg(&self.mount).arg(flag.to_string()))
    }

    /// Power is back: the journal is replayed.
    pub(super) fn restore(&self) -> Result<(), String> {
        // A process that was just killed may still be letting go of its files.
        let mut unmounted = Ok(());
        process::until(Duration::from_secs(2), || {
            unmounted = self.unmount();
            unmounted.is_ok()
        });
        unmounted?;
        self.remount()
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.data().join("log"));
        folder.map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
    }
}

impl Crash for Disk {
    fn crash(&self, mut server: Server, dice: &mut Dice) -> Result<(), String> {
        self.cut(dice.between(1, 2))?;
        // The server works on for a moment without a disk: whatever it acknowledges now is a lie.
        thread::sleep(Duration::from_millis(dice.between(5, 60)));
        server.kill();
        drop(server);
        self.restore()
    }

    /// Syncs random files of the log from outside, so that a random part of what is not synced yet is durable.
    fn meanwhile(&self, quiet: &AtomicBool) {
        while !quiet.load(Ordering::Relaxed) {
            let pause = {
                let mut dice = self.dice.lock().expect("nobody panics with the dice in hand");
                let files = self.files();
                if !files.is_empty() && dice.chance(1, 2) {
                    let _ = File::open(dice.pick(&files)).and_then(|file| file.sync_data());
                }
                dice.between(5, 60)
            };
            thread::sleep(Duration::from_millis(pause));
        }
    }

    fn keeps_acknowledged_deliveries(&self) -> bool {
        false
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.unmount();
        let _ = fs::remove_file(&self.image);
    }
}

fn run_quietly(command: &mut Command) -> Result<(), String> {
    process::read(command).map(drop)
}

/// The planted bugs that a power cut must bring to light, each with the most rounds it may take.
pub(super) const CONTROLS: &[(&str, usize)] =
    &[("skip_sync", 4), ("visible_before_durable", 6), ("ack_before_sync", 4)];
