"""What is asked before a run goes on: for how much longer, or where its data are on another machine."""

from PySide6.QtWidgets import QLineEdit, QWidget

from nvp_studio.text import sentence
from nvp_studio.training.config import TrainConfig
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.budget_field import BUDGETS, BudgetField
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import add_field, form_layout, text_label


class TrainLongerDialog(Dialog):
    """Asks how much longer a finished run is to train; at first as long again as it was meant to."""

    def __init__(self, name: str, trained: str, config: TrainConfig, parent: QWidget) -> None:
        """`trained` says for how long it has trained, and `config` is its own."""
        super().__init__(parent)
        self.setWindowTitle(self.tr("Train longer"))
        self.setMinimumWidth(48 * SPACE)
        text = self.tr("{0} has trained for {1}. It goes on from there, and is scored again at the end.")
        self.column.addWidget(text_label(text.format(name, trained), "", wrap=True))
        self.budget = BudgetField()
        kind = next(kind for kind in BUDGETS if getattr(config, kind) is not None)
        self.budget.show_budget(kind, getattr(config, kind))
        form = form_layout()
        add_field(form, self.tr("Train for another"), self.budget, named=self.budget.number)
        self.column.addLayout(form)
        self.column.addWidget(self.make_buttons(self.tr("Train longer")))
        self.budget.edited.connect(self._check)

    @property
    def more(self) -> tuple[str, float]:
        """The kind of the budget and how much is added; raises `ValueError` for what is no number."""
        value = self.budget.value()
        assert value is not None, "the field is never empty without being marked"
        return self.budget.kind, value

    def _check(self) -> None:
        problem = ""
        try:
            self.budget.value()
        except ValueError as error:
            problem = sentence(error)
        self.ok.setEnabled(not problem)
        self.ok.setToolTip(plain_tip(problem))


class RemoteDataDialog(Dialog):
    """Asks for the path of a run's data on the machine that trains it, whose files cannot be listed here."""

    def __init__(self, name: str, host: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Choose the data"))
        self.setMinimumWidth(56 * SPACE)
        text = self.tr(
            "The data of {0} are on {1}, whose folders cannot be shown here. Type where they are there; they are "
            "verified before the run resumes."
        )
        self.column.addWidget(text_label(text.format(name, host), "", wrap=True))
        self.path = QLineEdit(placeholderText="/data/images")
        self.column.addLayout(form_layout([(self.tr("Folder or file on {0}").format(host), self.path, "")]))
        self.column.addWidget(self.make_buttons(self.tr("Resume")))
        self.path.textChanged.connect(lambda text: self.ok.setEnabled(bool(text.strip())))
        self.ok.setEnabled(False)

    @property
    def data(self) -> str:
        """The path that was typed."""
        return self.path.text().strip()
