"""All faults, in the order in which they run."""
from backup import Backup
from clock_steps import ClockSteps
from descriptors import Descriptors
from disorder import Disorder
from every_write import EveryWrite
from failed_sync import FailedSync
from full_disk import FullDisk
from kill import Kill
from lost_answers import LostAnswers
from lost_database import LostDatabase
from one_event import OneEvent
from outage import Outage
from paused_host import PausedHost
from postgresql import Postgresql
from power_failure import PowerFailure
from read_only import ReadOnly
from refresh import Refresh
from sick_provider import SickProvider
from slow_clients import SlowClients
from throttling import Throttling
from two_hosts import TwoHosts

FAULTS = [Kill, EveryWrite, FullDisk, FailedSync, PowerFailure, ReadOnly, LostDatabase, TwoHosts, Descriptors, LostAnswers,
          SickProvider, Outage, Throttling, PausedHost, Refresh, Postgresql, ClockSteps, Disorder, OneEvent, SlowClients, Backup]
