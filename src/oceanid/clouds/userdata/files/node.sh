#!/bin/sh
# Oceanid: `prepare` makes true what must be before HTCondor starts, which fails with it;
# `boot` ends each boot and tells on the console how it went.
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
ROLE=@role@
HOME_DIR=/etc/oceanid
CONFIG=/etc/condor/config.d

prepare() {
  nft -f $HOME_DIR/metadata.nft
  mkdir -p /etc/condor/passwords.d /etc/condor/tokens.d /run/oceanid
  # A copy of a machine's disk does not bring the keys of that machine.
  now=$(cat /var/lib/cloud/data/instance-id)
  if [ "$(cat $HOME_DIR/instance 2>/dev/null)" != "$now" ]; then
    rm -rf /etc/condor/passwords.d/* $HOME_DIR/seal.* /var/lib/oceanid/sealed
    echo "$now" >$HOME_DIR/instance
  fi
  slots=$(seq $(($(nproc) * 2 + 6)))
  printf 'u slot1_%s - "A job" /nonexistent /usr/sbin/nologin\n' $slots | systemd-sysusers -
  for n in $slots; do echo "SLOT1_${n}_USER = slot1_$n"; done >$CONFIG/60-oceanid-slots
  facts=$(cloud-init query -f '{{v1.availability_zone}} {{v1.instance_id}}' 2>/dev/null) || facts=
  {
    set -- $facts
    told OceanidZone "${1:-}"
    told OceanidMachine "${2:-}"
    [ $ROLE = master ] || seal
  } >$CONFIG/61-oceanid-facts
  [ $ROLE = worker ] || signing_key
  chmod 644 $CONFIG/*
  touch /run/oceanid/prepared
}

told() {  # told NAME VALUE: what the machine tells of itself in the pool
  case $2 in '' | None | *[!A-Za-z0-9._/-]*) return ;; esac
  printf '%s = "%s"\nSTARTD_ATTRS = $(STARTD_ATTRS) %s\n' "$1" "$2" "$1"
}

signing_key() {  # born here, once; it never leaves this machine
  key=/etc/condor/passwords.d/POOL
  [ -s $key ] && return
  head -c 64 /dev/urandom | base64 -w0 >$key.new
  mv $key.new $key
}

seal() {  # what new tokens are sealed to; only root of this machine can open them
  [ -s $HOME_DIR/seal.crt ] || openssl req -x509 -newkey rsa:2048 -nodes -days 7300 \
    -subj /CN=oceanid-worker -keyout $HOME_DIR/seal.key -out $HOME_DIR/seal.crt 2>/dev/null
  printf 'OceanidSeal = "%s"\nSTARTD_ATTRS = $(STARTD_ATTRS) OceanidSeal\n' \
    "$(openssl x509 -in $HOME_DIR/seal.crt -outform DER | base64 -w0)"
}

boot() {
  systemctl daemon-reload
  # An image of one's own may have started HTCondor before it was told how.
  [ -e /run/oceanid/prepared ] || systemctl stop condor
  systemctl enable -q condor oceanid-renew.timer
  systemctl start condor oceanid-renew.timer || true
  for second in $(seq 120); do
    if joined; then
      echo "oceanid: ready: $ROLE, HTCondor $(condor_version | awk 'NR == 1 { print $2 }')"
      return
    fi
    sleep 1
  done
  echo "oceanid: NOT READY: the $ROLE is not in its pool after two minutes"
  systemctl --no-pager --lines 20 status condor || true
  tail -n 20 /var/log/condor/MasterLog /var/log/condor/StartLog || true
  return 1
}

joined() {
  systemctl -q is-active condor || return 1
  [ $ROLE = worker ] || [ -n "$(condor_status -schedd -af Name 2>/dev/null)" ] || return 1
  me=$(condor_config_val FULL_HOSTNAME)
  [ -n "$(condor_status -af Name -constraint "Machine == \"$me\"" 2>/dev/null)" ]
}

"$1"
