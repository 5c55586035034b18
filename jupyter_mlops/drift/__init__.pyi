from jupyter_mlops.drift.comparison import compare as compare
from jupyter_mlops.drift.records import ColumnDrift as ColumnDrift
from jupyter_mlops.drift.records import DriftCheck as DriftCheck
from jupyter_mlops.drift.records import DriftReport as DriftReport
from jupyter_mlops.drift.records import Histogram as Histogram
from jupyter_mlops.drift.verbs import check as check
from jupyter_mlops.drift.verbs import history as history
from jupyter_mlops.drift.verbs import show as show
