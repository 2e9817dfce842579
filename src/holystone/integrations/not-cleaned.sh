case $holystone_code in
  0) holystone_why= ;;
  2 | 126 | 127) holystone_why="there is no holystone here. Install it where this job runs: on the host of a shell runner, else in the job's image" ;;
  3) holystone_why="some objects could not be removed; they are named above" ;;
  4) holystone_why="less space came free than was asked for; what holds it is named above" ;;
  10) holystone_why="no Docker engine answers here. Mount the host's /var/run/docker.sock into the job, or let the runner's user use Docker" ;;
  11) holystone_why="another run has the lock of this host for too long; the next job's clean makes up for it" ;;
  64) holystone_why="it does not understand its options; see above" ;;
  *) holystone_why="it ended early; see above" ;;
esac
case $holystone_code in
  3 | 4) holystone_what="holystone did not clean everything" ;;
  *) holystone_what="HOLYSTONE DID NOT CLEAN THIS HOST" ;;
esac
