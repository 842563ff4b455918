//! Workflows of CI services that compare each change with its merge base. Pure: templates and what a project puts into them.

const GITHUB: &str = include_str!("../fixtures/ci/github.yml");
const GITLAB: &str = include_str!("../fixtures/ci/gitlab.yml");

/// A CI service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    GitHub,
    GitLab,
}

/// What the workflow of a project needs to know.
#[derive(Debug, Clone)]
pub struct Project {
    /// The command line that writes the workflow.
    pub command: String,
    /// The scenario's file, from the top of the repository.
    pub scenario: String,
    /// The scenario's name, which is also the folder of its reports.
    pub name: String,
    /// The shell command that installs lab; `None` if the project has not said.
    pub install: Option<String>,
    /// Debian packages that the scenario's stacks need.
    pub packages: Vec<String>,
    /// The application's requirements file, from the top of the repository.
    pub requirements: Option<String>,
}

impl Service {
    /// Where the service looks for the workflow.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Service::GitHub => ".github/workflows/lab.yml",
            Service::GitLab => ".gitlab-ci.yml",
        }
    }

    /// The workflow as YAML.
    #[must_use]
    pub fn workflow(self, project: &Project) -> String {
        let (template, install, packages) = match self {
            Service::GitHub => (GITHUB, github_install(project), github_packages(project)),
            Service::GitLab => (GITLAB, gitlab_install(project), gitlab_packages(project)),
        };
        let requirements = project.requirements.iter().map(|file| format!("        - {file}\n")).collect::<String>();
        template
            .replace("@COMMAND@", &project.command)
            .replace("@PACKAGES@", &packages)
            .replace("@INSTALL@", install.trim_end_matches('\n'))
            .replace("@REQUIREMENTS@", &requirements)
            .replace("@SCENARIO@", &project.scenario)
            .replace("@NAME@", &project.name)
    }
}

fn github_install(project: &Project) -> String {
    match &project.install {
        Some(install) => format!("        run: |\n{}", indented(install, 10)),
        None => "        env:\n          \
                 LAB_REPOSITORY: ${{ vars.LAB_REPOSITORY }}\n        \
                 run: |\n          \
                 test -n \"$LAB_REPOSITORY\" || { echo \"::error::set the variable LAB_REPOSITORY to the URL of lab's git \
                 repository\"; exit 1; }\n          \
                 cargo install --locked --git \"$LAB_REPOSITORY\" lab\n"
            .to_owned(),
    }
}

fn gitlab_install(project: &Project) -> String {
    let default = "test -n \"$LAB_REPOSITORY\" || { echo \"set the variable LAB_REPOSITORY to the URL of lab's git \
                   repository\"; exit 1; }\ncargo install --locked --git \"$LAB_REPOSITORY\" lab";
    let install = project.install.as_deref().unwrap_or(default);
    format!("    - |\n{}", indented(install, 6))
}

fn github_packages(project: &Project) -> String {
    if project.packages.is_empty() {
        return String::new();
    }
    let packages = project.packages.join(" ");
    format!(
        "      - name: Install what the stacks need\n        \
         run: sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends {packages}\n\n"
    )
}

/// The image has no Python.
fn gitlab_packages(project: &Project) -> String {
    let packages =
        ["python3", "python3-dev", "python3-venv"].into_iter().chain(project.packages.iter().map(String::as_str));
    let packages: Vec<&str> = packages.collect();
    format!("    - apt-get update -qq && apt-get install -y -qq --no-install-recommends {}\n", packages.join(" "))
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}
