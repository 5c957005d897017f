"""What the parts of a training loop share."""

from dataclasses import dataclass

from nvp_studio.data.dataset import DataSet
from nvp_studio.ranks import Ranks
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.requests import Requests
from nvp_studio.training.schedule import Budget
from nvp_studio.training.scoring_budget import ScoringBudget
from nvp_studio.training.train_state import TrainState


@dataclass(frozen=True)
class LoopContext:
    """What loop, validator, checkpointer and best model have in common."""

    config: TrainConfig
    data: DataSet
    state: TrainState
    publisher: Publisher
    budget: Budget
    scoring: ScoringBudget
    ranks: Ranks
    requests: Requests
