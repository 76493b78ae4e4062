"""What a container allows, read off the files that Linux would show."""

from harness.executors import limits


def files(root, **contents):
    for name, content in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def test_no_groups_allow_all(tmp_path):
    assert limits.cores(tmp_path, "") is None
    assert limits.memory_mb(tmp_path, "") is None


def test_version_2_the_tightest_of_a_group_and_those_above_it_counts(tmp_path):
    files(
        tmp_path,
        a__cpu_dot_max="250000 100000\n",
        a__b__cpu_dot_max="max 100000\n",
        a__memory_dot_max="4000000000\n",
        a__memory_dot_current="3000000000\n",
        a__memory_dot_stat="anon 1\ninactive_file 500000000\n",
        a__b__memory_dot_max="max\n",
        a__b__memory_dot_current="1\n",
    )
    assert limits.cores(tmp_path, "0::/a/b\n") == 2.5
    assert limits.memory_mb(tmp_path, "0::/a/b\n") == 1500.0


def test_version_1_within_a_container(tmp_path):
    files(
        tmp_path,
        cpu__cpu_dot_cfs_quota_us="150000\n",
        cpu__cpu_dot_cfs_period_us="100000\n",
        memory__memory_dot_limit_in_bytes="9223372036854771712\n",
        memory__memory_dot_usage_in_bytes="1000\n",
    )
    membership = "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n"
    assert limits.cores(tmp_path, membership) == 1.5
    assert limits.memory_mb(tmp_path, membership) is None


def test_a_quota_of_minus_one_is_none(tmp_path):
    files(tmp_path, cpu__cpu_dot_cfs_quota_us="-1\n", cpu__cpu_dot_cfs_period_us="100000\n")
    assert limits.cores(tmp_path, "3:cpu:/\n") is None
