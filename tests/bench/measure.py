"""What the benchmarks measure with: seconds of a command, works in turns, medians."""
import pathlib, statistics, subprocess, sys, time

TOP = pathlib.Path(__file__).resolve().parents[2]


class Missing(Exception):
    """A part that this benchmark needs is not here."""


def timed(argv, cwd, env):
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"`{' '.join(map(str, argv))}` failed with {done.returncode}:\n"
                 + (done.stdout + done.stderr).decode(errors="replace")[-4000:])
    return took


def in_turns(rounds, *works):
    """Seconds of each work, one after the other, so that a busy moment of the machine meets all of them."""
    times = [[] for _ in works]
    for _ in range(rounds):
        for kept, work in zip(times, works):
            kept.append(work())
    return times


def show(name, times, note=""):
    ms = sorted(t * 1000 for t in times)
    print(f"  {name:<44}{statistics.median(ms):>9.1f} ms   {ms[0]:.1f} to {ms[-1]:.1f}{note}", flush=True)
    return statistics.median(times)
