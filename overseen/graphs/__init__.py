"""The LangGraph graphs: the supervisor's and the specialists'."""
