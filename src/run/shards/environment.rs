//! The shard of a task, from the variables that Slurm and Kubernetes set.

use anyhow::anyhow;

use crate::run::RunError;
use crate::types::shard::Shard;

/// Variable with the number of shards, for schedulers that do not state it.
pub const COUNT: &str = "INTERCASCADE_SHARDS";

/// Variable with the zero-based index of a pod in an Indexed Job of Kubernetes.
const POD: &str = "JOB_COMPLETION_INDEX";

/// Variables of a task in a job array of Slurm: its own number, and the number of tasks, first number, last number and
/// step of the array.
const TASK: &str = "SLURM_ARRAY_TASK_ID";
const TASKS: &str = "SLURM_ARRAY_TASK_COUNT";
const FIRST: &str = "SLURM_ARRAY_TASK_MIN";
const LAST: &str = "SLURM_ARRAY_TASK_MAX";
const STEP: &str = "SLURM_ARRAY_TASK_STEP";

/// Reads the shard from the environment of a job array, and names the variables that it comes from. `value` returns the
/// value of a variable. `None` if no variable is set.
///
/// # Errors
/// [`RunError::Config`] with the variable that is missing, unreadable or contradicts another one.
pub fn shard(value: impl Fn(&str) -> Option<String>) -> Result<Option<(Shard, String)>, RunError> {
    let variables = Variables { value };
    let found = match (variables.is_set(TASK), variables.is_set(POD)) {
        (true, true) => Err(format!("both {TASK} and {POD} are set")),
        (true, false) => variables.of_slurm().map(Some),
        (false, true) => variables.of_kubernetes().map(Some),
        (false, false) if variables.is_set(TASKS) => Err(format!("{TASKS} is set, but {TASK} is not")),
        (false, false) if variables.is_set(COUNT) => Err(format!("{COUNT} is set, but neither {TASK} nor {POD} is")),
        (false, false) => Ok(None),
    };
    found.map_err(|fault| {
        RunError::Config(anyhow!(
            "the environment names no shard: {fault}. Name the shard with --shard I/N, or 1/1 for a whole run"
        ))
    })
}

/// Environment variables.
struct Variables<F> {
    value: F,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn is_set(&self, name: &str) -> bool {
        (self.value)(name).is_some()
    }

    /// Value of a variable as a number.
    fn number(&self, name: &str) -> Result<usize, String> {
        let text = (self.value)(name).ok_or_else(|| format!("{name} is not set"))?;
        text.trim().parse().map_err(|_| format!("{name} is `{text}`, which is not a number of 0 or more"))
    }

    /// Number of shards, if the user has stated it.
    fn stated(&self) -> Result<Option<usize>, String> {
        if self.is_set(COUNT) { self.number(COUNT).map(Some) } else { Ok(None) }
    }

    fn of_slurm(&self) -> Result<(Shard, String), String> {
        let [task, tasks, first, step] =
            [TASK, TASKS, FIRST, STEP].map(|name| self.number(name)).into_iter().collect::<Result<Vec<_>, _>>()?[..]
        else {
            return Err(format!("{TASK} is not complete"));
        };
        if step == 0 {
            return Err(format!("{STEP} is 0"));
        }
        if let Some(count) = self.stated()?.filter(|count| *count != tasks) {
            return Err(format!("{TASKS} is {tasks}, but {COUNT} is {count}"));
        }
        if self.is_set(LAST) {
            let last = self.number(LAST)?;
            let expected = last.checked_sub(first).map(|range| range / step + 1);
            if expected != Some(tasks) {
                return Err(format!(
                    "{FIRST} {first}, {LAST} {last} and {STEP} {step} do not make {TASKS} {tasks} tasks, so the array has gaps"
                ));
            }
        }
        let beyond = || {
            format!(
                "{TASK} is {task}, which is not one of {TASKS} {tasks} tasks from {FIRST} {first} in steps of {step}"
            )
        };
        let offset = task.checked_sub(first).filter(|offset| offset % step == 0).ok_or_else(beyond)?;
        let shard = Shard::new(offset / step + 1, tasks).map_err(|_| beyond())?;
        Ok((shard, format!("{TASK} {task} and {TASKS} {tasks}")))
    }

    fn of_kubernetes(&self) -> Result<(Shard, String), String> {
        let pod = self.number(POD)?;
        let count = self.stated()?;
        let count =
            count.ok_or_else(|| format!("{POD} is set, but {COUNT}, the job's number of completions, is not"))?;
        let shard = Shard::new(pod.saturating_add(1), count)
            .map_err(|_| format!("{POD} is {pod}, but {COUNT} is {count}, and pods are numbered from 0"))?;
        Ok((shard, format!("{POD} {pod} and {COUNT} {count}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Shard>, String> {
        let value = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        shard(value).map(|found| found.map(|(shard, _)| shard)).map_err(|error| error.to_string())
    }

    fn slurm<'a>(
        task: &'a str,
        tasks: &'a str,
        first: &'a str,
        last: &'a str,
        step: &'a str,
    ) -> Vec<(&'a str, &'a str)> {
        vec![(TASK, task), (TASKS, tasks), (FIRST, first), (LAST, last), (STEP, step)]
    }

    fn numbered(index: usize, count: usize) -> Shard {
        Shard::new(index, count).expect("a shard")
    }

    #[test]
    fn every_form_of_array_numbers_its_tasks_from_one() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&slurm("0", "4", "0", "3", "1")), Ok(Some(numbered(1, 4))));
        assert_eq!(read(&slurm("3", "4", "0", "3", "1")), Ok(Some(numbered(4, 4))));
        assert_eq!(read(&slurm("1", "4", "1", "4", "1")), Ok(Some(numbered(1, 4))));
        assert_eq!(read(&slurm("4", "4", "1", "4", "1")), Ok(Some(numbered(4, 4))));
        let stepped: Vec<_> = ["1", "3", "5", "7"].iter().map(|task| read(&slurm(task, "4", "1", "7", "2"))).collect();
        assert_eq!(stepped, [1, 2, 3, 4].map(|index| Ok(Some(numbered(index, 4)))));
        assert_eq!(read(&[(POD, "0"), (COUNT, "3")]), Ok(Some(numbered(1, 3))));
        assert_eq!(read(&[(POD, "2"), (COUNT, "3")]), Ok(Some(numbered(3, 3))));
        let stated = [&slurm("2", "4", "1", "4", "1")[..], &[(COUNT, "4")]].concat();
        assert_eq!(read(&stated), Ok(Some(numbered(2, 4))));
    }

    #[test]
    fn an_incomplete_or_contradictory_environment_names_the_variable() {
        let all = slurm("2", "4", "1", "4", "1");
        for missing in [TASKS, FIRST, STEP] {
            let rest: Vec<_> = all.iter().copied().filter(|(name, _)| *name != missing).collect();
            let error = read(&rest).expect_err(missing);
            assert!(error.contains(&format!("{missing} is not set")) && error.contains("--shard"), "{error}");
        }
        let wrong: [(Vec<(&str, &str)>, &str); 11] = [
            (vec![(TASKS, "4")], TASK),
            (vec![(POD, "1")], COUNT),
            (vec![(COUNT, "4")], POD),
            (vec![(POD, "3"), (COUNT, "3")], POD),
            (vec![(POD, "x"), (COUNT, "3")], POD),
            (vec![(POD, "0"), (COUNT, "0")], COUNT),
            ([&all[..], &[(POD, "1")]].concat(), POD),
            ([&all[..], &[(COUNT, "5")]].concat(), COUNT),
            (slurm("9", "4", "1", "4", "1"), TASK),
            (slurm("2", "4", "1", "7", "2"), TASK),
            // An array with gaps, as in --array=1,3,7.
            (slurm("3", "3", "1", "7", "1"), LAST),
        ];
        for (variables, name) in wrong {
            let error = read(&variables).expect_err(name);
            assert!(error.contains(name), "{name}: {error}");
        }
    }
}
