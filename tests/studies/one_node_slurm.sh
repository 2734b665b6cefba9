#!/usr/bin/env bash
# A real Slurm of one node and two CPUs, with accounting, for test_slurm_cluster.py.
#
#   one_node_slurm.sh start FOLDER   afterwards: export SLURM_CONF=FOLDER/slurm.conf
#   one_node_slurm.sh stop FOLDER
#
# As root, on Debian: apt-get install slurm-wlm slurmdbd munge mariadb-server
set -euo pipefail
folder=$(realpath -m "${2:?usage: one_node_slurm.sh start|stop FOLDER}")
port=${SLURM_TEST_PORT:-26817} # and the four after it
host=$(hostname -s)
export PATH=/usr/sbin:$PATH SLURM_CONF=$folder/slurm.conf

until_works() { # at most 30 s
  local end=$((SECONDS + 30))
  while [ $SECONDS -lt $end ]; do
    if timeout 10 "$@" >"$folder/waiting.txt" 2>&1; then return 0; fi
    sleep 0.2
  done
  echo "$* does not work: $(tail -n 3 "$folder/waiting.txt")" >&2
  exit 1
}

start() {
  mkdir -p "$folder"/{munge,ctld,slurmd,mysql}
  chmod 755 "$folder" "$folder/munge" # munged trusts no folder that others may write

  head -c 1024 /dev/urandom >"$folder/munge/key"
  chmod 600 "$folder/munge/key"
  munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
    --seed-file="$folder/munge/seed"

  mariadb-install-db --user=root --datadir="$folder/mysql" \
    --auth-root-authentication-method=normal --skip-test-db >"$folder/mysql.txt" 2>&1
  mariadbd --no-defaults --user=root --datadir="$folder/mysql" --port=$port \
    --bind-address=127.0.0.1 --socket="$folder/mysql.socket" \
    --pid-file="$folder/mysql.pid" >>"$folder/mysql.txt" 2>&1 &
  sql=(mariadb --no-defaults --user=root --socket="$folder/mysql.socket")
  until_works "${sql[@]}" -e "select 1"
  "${sql[@]}" -e "create database slurm_acct_db;
    create user slurm@'%' identified by 'slurm';
    grant all on slurm_acct_db.* to slurm@'%'"

  cat >"$folder/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
DbdHost=localhost
DbdPort=$((port + 1))
SlurmUser=root
LogFile=$folder/slurmdbd.log
PidFile=$folder/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$port
StorageUser=slurm
StoragePass=slurm
CONF
  chmod 600 "$folder/slurmdbd.conf"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$((port + 2))
SlurmdPort=$((port + 3))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/ctld
SlurmdSpoolDir=$folder/slurmd
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$((port + 1))
AccountingStoragePass=$folder/munge/socket
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
KillWait=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=2000
PartitionName=test Nodes=$host Default=YES MaxTime=1:00:00 State=UP
CONF
  slurmdbd
  until_works sacctmgr -i show cluster
  sacctmgr -i add cluster test >/dev/null 2>&1 || true
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  until_works sh -c "sinfo -h -o %T | grep -qx idle"
  until_works sacct -X
  echo "SLURM_CONF=$SLURM_CONF"
}

stop() {
  timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
  for _ in $(seq 100); do
    [ -n "$(timeout 10 squeue -h 2>/dev/null || true)" ] || break
    sleep 0.2
  done
  for name in slurmd slurmctld slurmdbd munge/pid mysql; do
    file=$folder/$name
    [ "$name" = munge/pid ] || file+=.pid
    if [ -s "$file" ]; then kill "$(cat "$file")" 2>/dev/null || true; fi
    for _ in $(seq 50); do [ -s "$file" ] || break; sleep 0.1; done
  done
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  *) echo "usage: one_node_slurm.sh start|stop FOLDER" >&2; exit 2 ;;
esac
