# Run inside a container, as root: what only the host's root may do. Prints "name: done" or "name: reason" for each attempt.
use strict;
use POSIX;
use Socket;
my ($keyctl, $mount, $unshare, $bpf, $init_module, $reboot, $settime, $open_by_handle) = @ARGV;
my ($none, $mnt, $tmpfs, $sys, $empty, $disk, $time) = ("none", "/tmp", "tmpfs", "/proc/sys", "", "/tmp/disk", pack("qq", 0, 0));
sub said { my ($name, $worked) = @_; print "$name: ", ($worked ? "done" : "$!"), "\n"; }
sub written { my ($path, $text) = @_; open(my $file, "+<", $path) or return 0; syswrite($file, $text) or return 0; return close $file; }
said("raw socket", socket(my $a, AF_INET, SOCK_RAW, 1));
said("packet socket", socket(my $b, 17, SOCK_RAW, 0x0300));
said("netlink route", written("/proc/sys/net/ipv4/ip_forward", "1"));
said("core pattern", written("/proc/sys/kernel/core_pattern", "|/x"));
said("sysrq", written("/proc/sysrq-trigger", "h"));
said("cgroup", grep { written($_, "-1") } </sys/fs/cgroup/*.max /sys/fs/cgroup/*/*.limit_in_bytes /sys/fs/cgroup/*/pids.max>);
said("release agent", grep { written($_, "/x") } </sys/fs/cgroup/*/release_agent>);
said("oom", written("/proc/1/oom_score_adj", "-1000"));
said("block device", syscall(133, $disk, 0060600, 0x800) == 0);
said("mount", syscall($mount, $none, $mnt, $tmpfs, 0, 0) == 0);
said("remount proc", syscall($mount, $none, $sys, $empty, 0x20 | 0x1000, 0) == 0);
said("new namespaces", syscall($unshare, 0x10000000 | 0x40000000) == 0);
said("keyctl", syscall($keyctl, 0, -3, 0) >= 0);
said("bpf", syscall($bpf, 0, 0, 0) >= 0);
said("module", syscall($init_module, 0, 0, $empty) == 0);
said("clock", syscall($settime, 0, $time) == 0);
said("open by handle", syscall($open_by_handle, 3, 0, 0) >= 0);
said("host's disk", opendir(my $d, "/proc/1/root/var/lib/docker"));
